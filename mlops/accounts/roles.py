"""The role a user acts in (wire-api section 10)."""

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest

from mlops.accounts.sign_in import methods
from mlops.errors import Forbidden

if TYPE_CHECKING:
    from mlops.accounts.models import User

NO_ROLE = "You have no role here: ask an administrator for a group that has one."
BY_KEY = "API keys cannot manage keys and accounts: sign in."


class Role(IntEnum):
    """What a user may do; a higher role includes the lower ones."""

    READER = 1
    CONTRIBUTOR = 2
    OWNER = 3


def role_of(user: "User") -> Role | None:
    """The highest role that the user's groups grant; None means 403 on every call.

    The local administrator is an Owner, and a service account has the role it was made with.
    """
    return role_by(user.sign_in_method, user.assigned_role, user.is_superuser, user.group_names)


def role_by(
    sign_in_method: str,
    assigned_role: int | None,
    is_superuser: bool,
    group_names: Callable[[], frozenset[str]],
) -> Role | None:
    """The same by what an account's row says; its groups, in lower case, are asked for at need."""
    if sign_in_method == methods.SERVICE:
        return Role(assigned_role) if assigned_role else None
    if is_superuser and sign_in_method == methods.LOCAL:
        return Role.OWNER
    declared = {
        Role[name.upper()]: {group.lower() for group in groups}
        for name, groups in settings.ROLE_GROUPS.items()
        if groups
    }
    if not declared:
        return implicit_role(set())
    own_groups = group_names()
    granted = [role for role, groups in declared.items() if own_groups & groups]
    return max(granted, default=implicit_role(set(declared)))


def implicit_role(declared: set[Role]) -> Role | None:
    """The role of everybody outside the groups of the `declared` roles."""
    if Role.READER in declared:
        return None
    if Role.CONTRIBUTOR in declared:
        return Role.READER
    return Role.CONTRIBUTOR


def require(role: Role | None, needed: Role) -> Role:
    """The role; raises Forbidden unless it is `needed` or better."""
    if role is None:
        raise Forbidden(NO_ROLE)
    if role < needed:
        raise Forbidden(f"This needs the {needed.name.title()} role.")
    return role


def require_role(user: "User", needed: Role) -> Role:
    """The user's role; raises Forbidden unless it is `needed` or better."""
    return require(role_of(user), needed)


def role_for_nodes() -> Role:
    """The role that may change the list of compute nodes (wire-api section 7).

    Owner; where no group makes anybody an Owner, Contributors may.
    """
    return Role.OWNER if settings.ROLE_GROUPS["Owner"] else Role.CONTRIBUTOR


def is_contributor(request: HttpRequest) -> bool:
    """Whether the browser's user is a Contributor or an Owner."""
    role = role_of(request.user) if request.user.is_authenticated else None
    return role is not None and role >= Role.CONTRIBUTOR


def is_owner(request: HttpRequest) -> bool:
    """Whether the browser's user is an Owner."""
    return request.user.is_authenticated and role_of(request.user) == Role.OWNER
