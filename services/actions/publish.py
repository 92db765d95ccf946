"""Publishing a version of a service (wire-api section 2)."""

import uuid
from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.roles import Role
from mlops.errors import Conflict, InvalidRequest
from services.actions.baking import (
    bake_snapshot,
    own_snapshot,
    renew_bundle,
    stored_parameters,
)
from services.catalogue import begin_change
from services.models import Service, Version
from services.permissions import require_role
from services.schema import DEFAULT_RUNTIME, Definition, require_name

if TYPE_CHECKING:
    from mlops.accounts.models import User


def publish_version(
    *, user: "User", name: str, version: str | None, definition: Definition
) -> Version:
    """The new version, published by `user`; named by a new GUID when `version` is None.

    Raises Forbidden below Contributor, InvalidRequest for a definition or a name that cannot be
    right, Conflict when the service has the version already.
    """
    require_role(user, Role.CONTRIBUTOR)
    require_name("service name", name)
    if version is None:
        version = str(uuid.uuid4())
    require_name("version", version)
    definition = definition.checked()
    if definition.code is None:
        raise InvalidRequest("code is missing.", fields="code")
    with transaction.atomic():
        begin_change()
        if Version.objects.named(name, version).exists():
            raise Conflict(f"{name}/{version} exists already; publish another version or patch it.")
        published = Version(
            version=version,
            published_by=user.username,
            runtime_type=definition.runtime_type or DEFAULT_RUNTIME,
            code=definition.code,
            init_code=definition.init_code or None,
            description=definition.description,
            operation_id=definition.operation_id or None,
            input_parameters=stored_parameters(definition.inputs or []),
            output_parameters=stored_parameters(definition.outputs or []),
            output_files=list(definition.output_files or []),
        )
        if definition.snapshot_id is not None:
            snapshot = own_snapshot(
                user=user, snapshot_id=definition.snapshot_id, runtime=published.runtime_type
            )
            bake_snapshot(published, snapshot)
        renew_bundle(published)
        published.service, _ = Service.objects.get_or_create(name=name)
        published.save(force_insert=True)
    return published
