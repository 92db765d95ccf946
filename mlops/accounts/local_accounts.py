"""Accounts that are kept here: made, put into groups, given a password, let in and kept out.

Only Owners may, and one of them always remains.
"""

from collections.abc import Sequence

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from mlops.accounts import actions, audit, changes, new_accounts
from mlops.accounts.api_keys.actions import require_sign_in
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role, role_of
from mlops.accounts.sign_in import methods
from mlops.errors import Conflict, InvalidRequest, NotFound

_MAX_GROUPS = 100
_MAX_GROUP_LENGTH = 150

_OFF = "People sign in with the directory, so that local accounts are off: make the account there."


@sensitive_variables("password")
@noting_refusals("create account")
def create_account(
    *, user: User, name: str, password: str, display_name: str = "", groups: Sequence[str] = ()
) -> User:
    """A new local account; raises Forbidden, InvalidRequest, or Conflict when it exists.

    It is a Conflict too while people come from a directory.
    """
    _require_owner(user)
    if methods.LOCAL not in methods.in_force():
        raise Conflict(_OFF)
    new_accounts.check(name, display_name, of_description="display name")
    names = _checked(groups)
    account = User(username=name, display_name=display_name)
    actions.require_good_password(account, password)
    account.set_password(password)
    with transaction.atomic():
        return new_accounts.add(
            account,
            user=user,
            action="create account",
            after={"groups": names},
            groups=_stored(names),
        )


@sensitive_variables("password")
@noting_refusals("set password")
def reset_password(*, user: User, name: str, password: str) -> User:
    """The local account with the new password, all its sign-ins ended.

    Raises Forbidden, and what `actions.set_password` raises.
    """
    _require_owner(user)
    _account(name)  # the administrator is made by the command line alone
    return actions.set_password(username=name, password=password, user=user)


@noting_refusals("set groups")
def set_groups(*, user: User, name: str, groups: Sequence[str]) -> User:
    """The local account in these groups and no others; its role follows at once.

    Raises Forbidden, NotFound, InvalidRequest, and Conflict when no Owner would remain.
    """
    _require_owner(user)
    names = _checked(groups)
    with transaction.atomic():
        _lock_owners()
        account = _account(name)
        if account.sign_in_method != methods.LOCAL:
            raise InvalidRequest(
                f"{name} is a {account.get_sign_in_method_display()} account: it has no groups"
                " here."
            )
        before = sorted(account.groups.values_list("name", flat=True))
        account.groups.set(_stored(names))
        _require_an_owner()
        audit.record_change(
            "set groups",
            user=user,
            object=name,
            before={"groups": before},
            after={"groups": names},
        )
        transaction.on_commit(changes.note)
    return account


@noting_refusals("deactivate account")
def deactivate(*, user: User, name: str) -> User:
    """The account, kept out: its sign-ins are ended and its API keys open nothing.

    Raises Forbidden, NotFound, InvalidRequest for an account of a directory, and Conflict for
    one's own and when no Owner would remain.
    """
    _require_owner(user)
    with transaction.atomic():
        _lock_owners()
        account = _kept_here(name)
        if account.pk == user.pk:
            raise Conflict("You cannot deactivate your own account: ask another Owner.")
        if account.is_active:
            account.is_active = False
            account.save(update_fields=["is_active"])
            _require_an_owner()
            actions.end_sign_ins(account)
            audit.record("deactivate account", user=user, object=name)
            transaction.on_commit(changes.note)
    return account


@noting_refusals("activate account")
def activate(*, user: User, name: str) -> User:
    """The account, let in again; its API keys count again.

    Raises Forbidden, NotFound, and InvalidRequest for an account of a directory.
    """
    _require_owner(user)
    with transaction.atomic():
        account = _kept_here(name)
        if not account.is_active:
            account.is_active = True
            account.save(update_fields=["is_active"])
            audit.record("activate account", user=user, object=name)
            transaction.on_commit(changes.note)
    return account


def _require_owner(user: User) -> None:
    require_role(user, Role.OWNER)
    require_sign_in(user)


def _account(name: str) -> User:
    account = User.objects.filter(username=name).first() if name.isprintable() else None
    if account is None:
        raise NotFound(f"There is no account named {name!r}.")
    return account


def _kept_here(name: str) -> User:
    account = _account(name)
    if account.sign_in_method not in (methods.LOCAL, methods.SERVICE):
        raise InvalidRequest(
            f"{name} is a {account.get_sign_in_method_display()} account: it is let in and kept"
            " out there. What it may do here ends when its sign-ins are ended."
        )
    return account


def _checked(groups: Sequence[str]) -> list[str]:
    """The names of the groups, each once, in order; raises InvalidRequest."""
    names = sorted({name.strip() for name in groups} - {""})
    if len(names) > _MAX_GROUPS:
        raise InvalidRequest(f"An account is in {_MAX_GROUPS} groups at most.", fields="groups")
    for name in names:
        if len(name) > _MAX_GROUP_LENGTH or not name.isprintable():
            raise InvalidRequest(
                f"The name of a group has 1 to {_MAX_GROUP_LENGTH} printable characters.",
                fields="groups",
            )
    return names


def _stored(names: Sequence[str]) -> list[Group]:
    return [Group.objects.get_or_create(name=name)[0] for name in names]


def _lock_owners() -> None:
    """Have changes wait for each other that could each leave the other's Owner as the last."""
    list(_local_accounts().select_for_update().order_by("pk").values_list("pk"))


def _require_an_owner() -> None:
    """Raise Conflict when no local account is an Owner any more, which undoes the change.

    Owners of a directory cannot be counted here: who is one, it says at their next sign-in.
    """
    if methods.LOCAL not in methods.in_force():
        return
    accounts = _local_accounts().filter(is_active=True).prefetch_related("groups")
    if not any(role_of(each) == Role.OWNER for each in accounts):
        raise Conflict("No Owner would be left to manage this server: make another one first.")


def _local_accounts() -> QuerySet[User]:
    return User.objects.filter(sign_in_method=methods.LOCAL)
