"""Publishing a version of a service (wire-api section 2)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import InvalidRequest
from services.actions.adding import add_version, checked_version_name, require_unpublished
from services.actions.baking import bake_snapshot, own_snapshot, stored_parameters
from services.catalogue import begin_change
from services.models import Version
from services.permissions import require_publish, require_role
from services.row_independence import require_rows
from services.schema import DEFAULT_RUNTIME, Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("publish version")
def publish_version(
    *, user: "User", name: str, version: str | None, definition: Definition
) -> Version:
    """The new version, published by `user`; named by a new GUID when `version` is None.

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
        published = Version(
            version=version,
            published_by=user.username,
            runtime_type=definition.runtime_type or DEFAULT_RUNTIME,
            code=definition.code,
            init_code=definition.init_code or None,
            description=definition.description,
            operation_id=definition.operation_id or None,
            example=definition.example or None,
            input_parameters=stored_parameters(definition.inputs or []),
            output_parameters=stored_parameters(definition.outputs or []),
            output_files=list(definition.output_files or []),
            row_independent=bool(definition.row_independent),
        )
        require_rows(published)
        if definition.snapshot_id is not None:
            snapshot = own_snapshot(
                user=user, snapshot_id=definition.snapshot_id, runtime=published.runtime_type
            )
            bake_snapshot(published, snapshot)
        add_version(name, published, user=user)
    return published
