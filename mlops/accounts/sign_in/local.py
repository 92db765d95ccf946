"""Accounts whose password is kept here."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import prefetch_related_objects
from django.http import HttpRequest

from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.sign_in import methods


def opens_the_glass(username: str | None) -> bool:
    """Whether the name is that of the local administrator, who is let in while others are not."""
    return (
        methods.LOCAL not in methods.in_force()
        and username == methods.LOCAL_ADMINISTRATOR
        and BrokenGlass.objects.open().exists()
    )


class AccountBackend(ModelBackend):
    """Checks the passwords of local accounts, and knows whose browser sessions are alive."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The living local user of this name and password; None while local accounts are off.

        Raises PermissionDenied, with which no directory is asked any more, for a wrong password
        behind the broken glass.
        """
        is_emergency = opens_the_glass(username)
        if methods.LOCAL not in methods.in_force() and not is_emergency:
            return None
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if isinstance(user, User) and user.sign_in_method == methods.LOCAL:
            return user
        if is_emergency:
            raise PermissionDenied
        return None

    def get_user(self, user_id: int) -> User | None:
        """The living user of a browser session, their groups read once for all that is asked."""
        user = super().get_user(user_id)
        if not isinstance(user, User):
            return None
        prefetch_related_objects([user], "groups")
        return user

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Whether the account is alive; asked for each request of a browser session."""
        return isinstance(user, User) and user.is_alive()
