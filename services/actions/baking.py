"""Baking a snapshot and a definition into a version (wire-api section 2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops.errors import InvalidRequest
from nodes.models import Snapshot
from services import bundles
from services.models import Version
from services.row_independence import require_rows
from services.schema import DEFAULT_RUNTIME, Definition, Parameter

if TYPE_CHECKING:
    from mlops.accounts.models import User


def unsaved_version(definition: Definition, *, version: str, user: "User") -> Version:
    """The version of code that the checked definition says, in no database yet.

    Raises InvalidRequest when its rows cannot be independent as it says.
    """
    made = Version(
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
    require_rows(made)
    return made


def own_snapshot(*, user: "User", snapshot_id: str, runtime: str) -> Snapshot:
    """The user's snapshot, held until the transaction ends; raises InvalidRequest if unusable.

    Somebody else's snapshot is as unknown as one that does not exist.
    """
    snapshot = (
        Snapshot.objects.select_for_update(of=("self",))
        .select_related("blob")
        .filter(pk=snapshot_id, owner=user)
        .first()
    )
    if snapshot is None:
        raise InvalidRequest(f"You have no snapshot {snapshot_id}.", fields="snapshotId")
    if snapshot.runtime != runtime:
        raise InvalidRequest(
            f"Snapshot {snapshot_id} is of runtime {snapshot.runtime}, the service of {runtime}.",
            fields="snapshotId",
        )
    return snapshot


def bake_snapshot(version: Version, snapshot: Snapshot) -> None:
    """Make the snapshot's content the version's own; the snapshot itself may be deleted then."""
    version.snapshot_id = snapshot.pk
    version.payload = snapshot.blob


def apply_labels(definition: Definition, version: Version) -> None:
    """Set description, alias and example where the definition says them; an empty alias or example
    clears."""
    if definition.description is not None:
        version.description = definition.description
    if definition.operation_id is not None:
        version.operation_id = definition.operation_id or None
    if definition.example is not None:
        version.example = dict(definition.example) or None


def stored_parameters(parameters: Sequence[Parameter]) -> list[dict[str, str]]:
    """Parameters in the form of the wire and of the database."""
    return [{"name": parameter.name, "type": parameter.type} for parameter in parameters]


def renew_bundle(version: Version) -> None:
    """Recompute the id of the version's bundle from all that is set on it."""
    version.bundle_id = bundles.bundle_id(bundles.manifest(version))
