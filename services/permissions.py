"""Who may do what with a version (wire-api section 10)."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.accounts.roles import require as require
from mlops.accounts.roles import require_role as require_role
from mlops.accounts.sign_in import methods
from mlops.errors import Forbidden

if TYPE_CHECKING:
    from mlops.accounts.models import User
    from services.models import Version


def may_write(version: "Version", *, username: str, role: Role | None) -> bool:
    """Whether somebody may change `version` and see its code.

    Its publisher may while still a Contributor, an Owner always.
    """
    if role == Role.CONTRIBUTOR:
        return methods.is_same_name(version.published_by, username)
    return role == Role.OWNER


def require_write(version: "Version", *, user: "User", role: Role) -> None:
    """Nothing; raises Forbidden unless the user may change `version`."""
    if not may_write(version, username=user.username, role=role):
        raise Forbidden(
            f"Only {version.published_by}, as a Contributor, or an Owner may change {version}."
        )
