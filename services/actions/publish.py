"""Publishing a version of a service (wire-api section 2)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.actions.adding import add_version, checked_version_name, require_unpublished
from services.actions.baking import bake_snapshot, own_snapshot, unsaved_version
from services.catalogue import begin_change
from services.models import Version
from services.permissions import require_publish, require_role
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("publish version")
def publish_version(
    *,
    user: "User",
    name: str,
    version: str | None,
    definition: Definition,
    payload: Blob | None = None,
) -> Version:
    """The new version, published by `user`; named by a new GUID when `version` is None.

    `payload` is a zip of files for the working directory, for those who have no snapshot of them.

    Raises Forbidden below Contributor and where grants keep the name for others, InvalidRequest for
    a definition or a name that cannot be right, Conflict when the service has the version already.
    """
    require_role(user, Role.CONTRIBUTOR)
    version = checked_version_name(name, version)
    definition = definition.checked()
    if definition.code is None:
        raise InvalidRequest("code is missing.", fields="code")
    with transaction.atomic():
        begin_change()
        require_publish(name, Caller.of(user))
        require_unpublished(name, version)
        published = unsaved_version(definition, version=version, user=user)
        published.payload = payload
        if definition.snapshot_id is not None:
            snapshot = own_snapshot(
                user=user, snapshot_id=definition.snapshot_id, runtime=published.runtime_type
            )
            bake_snapshot(published, snapshot)
        add_version(name, published, user=user)
    return published
