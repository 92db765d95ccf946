"""Accounts whose password is kept here."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.sign_in import methods


class AccountBackend(ModelBackend):
    """Checks the passwords of local accounts, and knows whose browser sessions are alive."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The living local user of this name and password; None while local accounts are off."""
        is_off = methods.LOCAL not in methods.in_force()
        if is_off and not (
            username == methods.LOCAL_ADMINISTRATOR and BrokenGlass.objects.open().exists()
        ):
            return None
        user = super().authenticate(request, username=username, password=password, **kwargs)
        return user if isinstance(user, User) and user.sign_in_method == methods.LOCAL else None

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Whether the account is alive; asked for each request of a browser session."""
        return isinstance(user, User) and user.is_alive()
