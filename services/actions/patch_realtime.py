"""Changing a published model (wire-api section 2, PATCH semantics)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.audit import record_change
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from services.actions.auditing import portrait
from services.actions.baking import apply_labels, renew_bundle
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.model_files import ModelFile
from services.models import RuntimeType, Version
from services.permissions import require_role
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("change version")
def patch_realtime(
    *, user: "User", name: str, version: str, model: ModelFile | Blob | None, definition: Definition
) -> Version:
    """The version with what was said changed: its model, description and alias.

    Raises NotFound, Forbidden without read/write permission on it, InvalidRequest for a model or an
    alias that cannot be right, or a version that runs code. A model that is a blob was checked
    before.
    """
    role = require_role(user, Role.READER)
    definition = definition.checked()
    _require_realtime(version_to_change(user=user, role=role, name=name, version=version))
    payload = model.save() if isinstance(model, ModelFile) else model
    with transaction.atomic():
        begin_change()
        patched = version_to_change(user=user, role=role, name=name, version=version)
        _require_realtime(patched)
        before = portrait(patched)
        apply_labels(definition, patched)
        if payload is not None:
            patched.payload = payload
        renew_bundle(patched)
        patched.save()
        record_change(
            "change version",
            user=user,
            object=str(patched),
            before=before,
            after=portrait(patched),
        )
    return patched


def _require_realtime(version: Version) -> None:
    if version.runtime_type != RuntimeType.REALTIME:
        raise InvalidRequest(
            f"{version} runs {version.runtime_type} code; change it with PATCH /services."
        )
