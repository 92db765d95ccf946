"""Finding the version that somebody asks for."""

from typing import TYPE_CHECKING

from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import NotFound
from services.models import Version
from services.permissions import require_consume, require_write

if TYPE_CHECKING:
    from mlops.accounts.models import User

_UNKNOWN = "There is no such version of this service."


def version_to_consume(*, caller: Caller, name: str, version: str) -> Version:
    """The version, which the caller may consume; raises NotFound or Forbidden."""
    found = Version.objects.named(name, version).select_related("service").first()
    if found is None:
        raise NotFound(_UNKNOWN)
    require_consume(found, caller)
    return found


def version_to_change(*, user: "User", role: Role, name: str, version: str) -> Version:
    """The version, which `user` may write; raises NotFound or Forbidden."""
    found = Version.objects.named(name, version).select_related("service", "payload").first()
    if found is None:
        raise NotFound(_UNKNOWN)
    require_write(found, Caller(user.pk, user.username, role, user.group_names()))
    return found
