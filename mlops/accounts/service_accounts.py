"""Accounts of applications: a name and a role, no password; they come by API keys."""

from django.db import transaction
from django.db.models import QuerySet

from mlops.accounts import audit, changes, new_accounts
from mlops.accounts.api_keys.actions import require_sign_in
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.accounts.sign_in import methods
from mlops.errors import NotFound


def service_accounts() -> QuerySet[User]:
    """All of them, by name."""
    return User.objects.filter(sign_in_method=methods.SERVICE).order_by("username")


@noting_refusals("create service account")
def create_service_account(*, user: User, name: str, role: Role, description: str = "") -> User:
    """A new service account; raises Forbidden, InvalidRequest, or Conflict when it exists."""
    require_role(user, Role.OWNER)
    require_sign_in(user)
    new_accounts.check(name, description)
    account = User(
        username=name,
        sign_in_method=methods.SERVICE,
        assigned_role=role,
        display_name=description,
    )
    account.set_unusable_password()
    return new_accounts.add(
        account, user=user, action="create service account", after={"role": role.name.title()}
    )


@noting_refusals("remove service account")
def remove_service_account(*, user: User, name: str) -> None:
    """The account is gone, and with it its keys, sessions and snapshots; what it published stays.

    Raises Forbidden or NotFound.
    """
    require_role(user, Role.OWNER)
    require_sign_in(user)
    unknown = NotFound(f"There is no service account named {name!r}.")
    if not name.isprintable():
        raise unknown
    with transaction.atomic():
        account = service_accounts().filter(username=name).first()
        if account is None:
            raise unknown
        audit.record(
            "remove service account",
            user=user,
            object=name,
            before={"role": Role(account.assigned_role or Role.READER).name.title()},
        )
        account.delete()
        transaction.on_commit(changes.note)
