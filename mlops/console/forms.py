"""The console's forms."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AuthenticationForm

from mlops.accounts.models import User
from mlops.accounts.roles import NO_ROLE, role_of
from mlops.accounts.sign_in.passwords import sign_in
from mlops.errors import MlopsError


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """User name and password of anybody with a role, Readers included."""

    error_messages = {
        "inactive": "This account is not active: ask an administrator.",
        "no_role": NO_ROLE,
    }

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """The fields; raises ValidationError with the reason when nobody is signed in by them."""
        username, password = map(self.cleaned_data.get, ("username", "password"))
        if username and password:
            try:
                self.user_cache = sign_in(self.request, username=username, password=password)
            except MlopsError as error:
                raise ValidationError(error.message, error.code) from None
            self.confirm_login_allowed(self.user_cache)
        return dict(self.cleaned_data)

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Raise ValidationError with the reason when `user` may not come in."""
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], "inactive")
        if not isinstance(user, User) or role_of(user) is None:
            raise ValidationError(self.error_messages["no_role"], "no_role")
