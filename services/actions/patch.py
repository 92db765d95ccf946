"""Changing a published version (wire-api section 2, PATCH semantics)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.audit import record_change
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.actions.auditing import portrait
from services.actions.baking import (
    apply_labels,
    bake_snapshot,
    own_snapshot,
    renew_bundle,
    stored_parameters,
)
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.models import RuntimeType, Version
from services.permissions import require_role
from services.pools.nudging import nudge_after_commit
from services.row_independence import require_rows
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("change version")
def patch_version(
    *,
    user: "User",
    name: str,
    version: str,
    definition: Definition,
    payload: Blob | None = None,
) -> Version:
    """The version with what `definition` says changed, and the rest as it was.

    `payload` is a zip that takes the place of its files, for those who have no snapshot of them.

    Raises NotFound, Forbidden without read/write permission on it, InvalidRequest for a definition
    that cannot be right, another runtime, or a realtime version.
    """
    role = require_role(user, Role.READER)
    definition = definition.checked()
    with transaction.atomic():
        begin_change()
        patched = version_to_change(user=user, role=role, name=name, version=version)
        _require_same_runtime(patched, definition)
        before = portrait(patched)
        _apply(definition, patched)
        if definition.snapshot_id is not None:
            _replace_snapshot(patched, definition, definition.snapshot_id, user)
        if payload is not None and payload != patched.payload:
            patched.payload, patched.snapshot_id = payload, None
        renew_bundle(patched)
        patched.save()
        record_change(
            "change version",
            user=user,
            object=str(patched),
            before=before,
            after=portrait(patched),
        )
        if patched.has_pool:
            nudge_after_commit()
    return patched


def _require_same_runtime(version: Version, definition: Definition) -> None:
    if version.runtime_type == RuntimeType.REALTIME:
        raise InvalidRequest(
            f"{version} is a Realtime version, a model without code; change it with "
            "PATCH /realtime-services."
        )
    if definition.runtime_type not in (None, version.runtime_type):
        raise InvalidRequest(
            f"{version} runs on {version.runtime_type}; a patch cannot change that.",
            fields="runtimeType",
        )


def _apply(definition: Definition, version: Version) -> None:
    """Set what was said; an empty text or list clears, except for code, which is never empty."""
    if definition.code is not None:
        version.code = definition.code
    if definition.init_code is not None:
        version.init_code = definition.init_code or None
    apply_labels(definition, version)
    if definition.inputs is not None:
        version.input_parameters = stored_parameters(definition.inputs)
    if definition.outputs is not None:
        version.output_parameters = stored_parameters(definition.outputs)
    if definition.output_files is not None:
        version.output_files = list(definition.output_files)
    if definition.row_independent is not None:
        version.row_independent = definition.row_independent
    require_rows(version)


def _replace_snapshot(
    version: Version, definition: Definition, snapshot_id: str, user: "User"
) -> None:
    """Bake the named snapshot, unless it is empty and no code comes with it.

    The Python client uploads the snapshot of a fresh session on every redeploy, even when only the
    description changes; taken literally that would empty the model.
    """
    snapshot = own_snapshot(user=user, snapshot_id=snapshot_id, runtime=version.runtime_type)
    says_code = definition.code is not None or definition.init_code is not None
    if says_code or not snapshot.is_empty:
        bake_snapshot(version, snapshot)
