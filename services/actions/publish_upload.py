"""Publishing a version whose files are staged uploads."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from services.actions.adding import checked_version_name, require_unpublished
from services.actions.publish import publish_version
from services.actions.publish_realtime import publish_realtime
from services.models import Version
from services.payloads import model_file, zipped
from services.permissions import require_publish, require_role
from services.schema import REALTIME, Definition
from services.staged import StagedFile

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("publish version")
def publish_upload(
    *,
    user: "User",
    name: str,
    version: str | None,
    definition: Definition,
    files: Sequence[StagedFile] = (),
) -> Version:
    """The new version, its `files` taken from uploads of `user`, which stay where they are.

    A definition that runs on Realtime has one file, the model, and of it the description, the
    alias and the example count. Nothing is read into memory whole. Raises what publishing raises,
    NotFound for uploads of somebody else, and InvalidRequest for unfinished ones and for names that
    cannot be.
    """
    require_role(user, Role.CONTRIBUTOR)
    version = checked_version_name(name, version)
    # Before the files are read as well, which takes its time.
    require_publish(name, Caller.of(user))
    require_unpublished(name, version)
    if definition.runtime_type == REALTIME:
        with model_file(files, user=user) as model:
            return publish_realtime(
                user=user,
                name=name,
                version=version,
                model=model,
                definition=Definition(
                    description=definition.description,
                    operation_id=definition.operation_id,
                    example=definition.example,
                ),
            )
    definition = definition.checked()
    if not files:
        return publish_version(user=user, name=name, version=version, definition=definition)
    with zipped(files, user=user) as payload:
        return publish_version(
            user=user,
            name=name,
            version=version,
            definition=dataclasses.replace(definition, snapshot_id=None),
            payload=payload.save(),
        )
