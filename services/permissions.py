"""Who may do what with a version (wire-api section 10)."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import NO_ROLE, Role, role_of
from mlops.errors import Forbidden

if TYPE_CHECKING:
    from mlops.accounts.models import User
    from services.models import Version


def may_write(version: "Version", *, username: str, role: Role | None) -> bool:
    """Whether somebody may change `version` and see its code.

    Its publisher may while still a Contributor, an Owner always. Local user names differ by case,
    so the comparison is exact.
    """
    if role == Role.CONTRIBUTOR:
        return version.published_by == username
    return role == Role.OWNER


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


def require_write(version: "Version", *, user: "User", role: Role) -> None:
    """Nothing; raises Forbidden unless the user may change `version`."""
    if not may_write(version, username=user.username, role=role):
        raise Forbidden(
            f"Only {version.published_by}, as a Contributor, or an Owner may change {version}."
        )
