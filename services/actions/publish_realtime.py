"""Publishing a version that is a model (wire-api sections 2 and 11)."""

from typing import TYPE_CHECKING

from django.db import transaction

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.blobs.models import Blob
from services.actions.adding import add_version, checked_version_name, require_unpublished
from services.actions.baking import stored_parameters
from services.catalogue import begin_change
from services.model_files import ModelFile
from services.models import RuntimeType, Version
from services.permissions import require_publish, require_role
from services.schema import REALTIME_INPUTS, REALTIME_OUTPUTS, Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("publish version")
def publish_realtime(
    *, user: "User", name: str, version: str | None, model: ModelFile | Blob, definition: Definition
) -> Version:
    """The new version, published by `user`; named by a new GUID when `version` is None.

    Of the definition its description, alias and example count. Raises Forbidden below Contributor
    and where grants keep the name for others, InvalidRequest for a model, a name or an alias that
    cannot be right, Conflict when the service has the version already. A model that is a blob was
    checked before.
    """
    require_role(user, Role.CONTRIBUTOR)
    version = checked_version_name(name, version)
    definition = definition.checked()
    caller = Caller.of(user)
    # Both before the model is checked as well, which takes its time.
    require_publish(name, caller)
    require_unpublished(name, version)
    payload = model if isinstance(model, Blob) else model.save()
    with transaction.atomic():
        begin_change()
        require_publish(name, caller)
        require_unpublished(name, version)
        published = Version(
            version=version,
            published_by=user.username,
            runtime_type=RuntimeType.REALTIME,
            description=definition.description,
            operation_id=definition.operation_id or None,
            example=definition.example or None,
            input_parameters=stored_parameters(REALTIME_INPUTS),
            output_parameters=stored_parameters(REALTIME_OUTPUTS),
            payload=payload,
        )
        add_version(name, published, user=user)
    return published
