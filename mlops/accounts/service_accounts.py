"""Accounts of applications: a name and a role, no password; they come by API keys."""

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from mlops.accounts import audit, changes
from mlops.accounts.api_keys.actions import require_sign_in
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.accounts.sign_in import methods
from mlops.errors import Conflict, InvalidRequest, NotFound

_MAX_NAME_LENGTH = 150
_MAX_DESCRIPTION_LENGTH = 256


def service_accounts() -> QuerySet[User]:
    """All of them, by name."""
    return User.objects.filter(sign_in_method=methods.SERVICE).order_by("username")


@noting_refusals("create service account")
def create_service_account(*, user: User, name: str, role: Role, description: str = "") -> User:
    """A new service account; raises Forbidden, InvalidRequest, or Conflict when it exists."""
    require_role(user, Role.OWNER)
    require_sign_in(user)
    _check(name, description)
    account = User(
        username=name,
        sign_in_method=methods.SERVICE,
        assigned_role=role,
        display_name=description,
    )
    account.set_unusable_password()
    taken = Conflict(f"There is an account named {name} already.")
    try:
        with transaction.atomic():
            # Directories know no case, so that names that differ by it alone would be mistaken.
            if User.objects.filter(username__iexact=name).exists():
                raise taken
            account.save()
            audit.record(
                "create service account", user=user, object=name, after={"role": role.name.title()}
            )
    except IntegrityError:
        raise taken from None
    return account


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


def _check(name: str, description: str) -> None:
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        is_name = False
    else:
        is_name = 1 <= len(name) <= _MAX_NAME_LENGTH
    if not is_name:
        raise InvalidRequest(
            f"The name must have 1 to {_MAX_NAME_LENGTH} letters, digits, or any of @ . + - _.",
            fields="name",
        )
    if len(description) > _MAX_DESCRIPTION_LENGTH or not description.isprintable():
        raise InvalidRequest(
            f"The description must have {_MAX_DESCRIPTION_LENGTH} printable characters at most.",
            fields="description",
        )
