"""Changing a published model (wire-api section 2, PATCH semantics)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.roles import Role
from mlops.errors import InvalidRequest
from services.actions.baking import apply_labels, renew_bundle
from services.actions.lookup import version_to_change
from services.catalogue import begin_change
from services.model_files import ModelFile
from services.models import RuntimeType, Version
from services.permissions import require_role
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


def patch_realtime(
    *, user: "User", name: str, version: str, model: ModelFile | None, definition: Definition
) -> Version:
    """The version with what was said changed: its model, description and alias.

    Raises NotFound, Forbidden without read/write permission on it, InvalidRequest for a model or an
    alias that cannot be right, or a version that runs code.
    """
    role = require_role(user, Role.READER)
    definition = definition.checked()
    _require_realtime(version_to_change(user=user, role=role, name=name, version=version))
    payload = None if model is None else model.save()
    with transaction.atomic():
        begin_change()
        patched = version_to_change(user=user, role=role, name=name, version=version)
        _require_realtime(patched)
        apply_labels(definition, patched)
        if payload is not None:
            patched.payload = payload
        renew_bundle(patched)
        patched.save()
    return patched


def _require_realtime(version: Version) -> None:
    if version.runtime_type != RuntimeType.REALTIME:
        raise InvalidRequest(
            f"{version} runs {version.runtime_type} code; change it with PATCH /services."
        )
