"""The console's forms."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from mlops.accounts.models import User
from mlops.accounts.roles import NO_ROLE, role_of


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """User name and password of anybody with a role, Readers included."""

    error_messages = {
        "invalid_login": "The user name or the password is wrong. Both are case-sensitive.",
        "inactive": "This account is not active: ask an administrator.",
        "no_role": NO_ROLE,
    }

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Raise ValidationError with the reason when `user` may not come in."""
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], "inactive")
        if not isinstance(user, User) or role_of(user) is None:
            raise ValidationError(self.error_messages["no_role"], "no_role")
