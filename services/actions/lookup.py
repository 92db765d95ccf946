"""Finding the version that an action is about to change."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.errors import NotFound
from services.models import Version
from services.permissions import require_write

if TYPE_CHECKING:
    from mlops.accounts.models import User


def version_to_change(*, user: "User", role: Role, name: str, version: str) -> Version:
    """The version, which `user` may write; raises NotFound or Forbidden."""
    found = Version.objects.named(name, version).select_related("service", "payload").first()
    if found is None:
        raise NotFound("There is no such version of this service.")
    require_write(found, user=user, role=role)
    return found
