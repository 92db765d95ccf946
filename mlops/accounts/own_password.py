"""Changing one's own password, by who knows the old one."""

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from mlops.accounts import actions, serving
from mlops.accounts.api_keys.actions import require_sign_in
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.throttle import Attempt
from mlops.errors import InvalidRequest


def may_change(user: User) -> bool:
    """Whether the user's password is kept here and counts now."""
    return user.sign_in_method == methods.LOCAL and user.is_alive()


@sensitive_variables()
@noting_refusals("set password")
def change(*, user: User, old: str, new: str) -> User:
    """The user with the new password, their other sign-ins ended.

    Raises InvalidRequest for a wrong old password or a bad new one, TooManySignIns when the old one
    was guessed at too often, Conflict, and Forbidden for who came by a key.
    """
    require_role(user, Role.READER)
    require_sign_in(user)
    attempt = Attempt(user.username, serving.origin())
    attempt.admit()
    if not user.check_password(old):
        attempt.failed()
        raise InvalidRequest("The old password is wrong.", fields="old_password")
    with transaction.atomic():
        attempt.succeeded()
        return actions.set_password(username=user.username, password=new, user=user)
