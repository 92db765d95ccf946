"""Publishing a service folder: what `manage.py publish` and the demo services do."""

import dataclasses
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role
from mlops.blobs import storage
from mlops.errors import InvalidRequest, MlopsError
from nodes.models import Snapshot
from nodes.runtime.realtime.container import MAGIC, ONNX
from nodes.session_objects import put_object
from nodes.sessions import close_session, open_session
from nodes.snapshots import create_snapshot
from services.actions.patch import patch_version
from services.actions.patch_realtime import patch_realtime
from services.actions.publish import publish_version
from services.actions.publish_realtime import publish_realtime
from services.folders import ServiceFolder
from services.model_files import ModelFile
from services.models import Version
from services.permissions import require_role
from services.schema import Definition

if TYPE_CHECKING:
    from mlops.accounts.models import User

_CHUNK_BYTES = 1024 * 1024


@noting_refusals("publish version")
def publish_folder(*, user: "User", folder: ServiceFolder, replace: bool = False) -> Version:
    """The version that `folder` describes, published by `user`.

    With `replace` a version that exists becomes what the folder says, nothing of it stays. Models
    of code take a free shell of a compute node, all else needs none. Raises what publishing and
    patching raise, Busy without a shell, and InvalidRequest naming a model that cannot be read.
    """
    require_role(user, Role.CONTRIBUTOR)
    if replace and folder.version is None:
        raise InvalidRequest("To replace a version, name it in the folder.", fields="version")
    is_patch = replace and Version.objects.named(folder.name, folder.version).exists()
    if folder.model is not None:
        return _publish_model(user, folder, folder.model, is_patch=is_patch)
    with _snapshot(user, folder, even_if_empty=is_patch) as snapshot:
        definition = dataclasses.replace(
            folder.definition, snapshot_id=None if snapshot is None else str(snapshot.pk)
        )
        if is_patch and folder.version is not None:
            return patch_version(
                user=user,
                name=folder.name,
                version=folder.version,
                definition=_everything(definition),
            )
        return publish_version(
            user=user, name=folder.name, version=folder.version, definition=definition
        )


def _publish_model(user: "User", folder: ServiceFolder, path: Path, *, is_patch: bool) -> Version:
    with ModelFile() as model, path.open("rb") as file:
        beginning = file.read(len(MAGIC))
        model.write(beginning if beginning == MAGIC else MAGIC + ONNX + beginning)
        for chunk in _chunks(file):
            model.write(chunk)
        try:
            if is_patch and folder.version is not None:
                return patch_realtime(
                    user=user,
                    name=folder.name,
                    version=folder.version,
                    model=model,
                    definition=_everything(folder.definition),
                )
            return publish_realtime(
                user=user,
                name=folder.name,
                version=folder.version,
                model=model,
                definition=folder.definition,
            )
        except InvalidRequest as error:
            if error.fields != "model":
                raise
            raise InvalidRequest(f"{path}: {error.message}", fields="model") from None


def _everything(definition: Definition) -> Definition:
    """The definition with what it leaves unsaid said to be empty."""
    return dataclasses.replace(
        definition,
        init_code=definition.init_code or "",
        description=definition.description or "",
        operation_id=definition.operation_id or "",
        row_independent=bool(definition.row_independent),
        example=definition.example or {},
    )


@contextmanager
def _snapshot(
    user: "User", folder: ServiceFolder, *, even_if_empty: bool
) -> Iterator[Snapshot | None]:
    """A snapshot of the folder's models and files for the time of the context; None without any."""
    if not (folder.models or folder.files or even_if_empty):
        yield None
        return
    snapshot = _snapshot_of_files(user, folder)
    try:
        if folder.models:
            of_files, snapshot = snapshot, _with_models(user, folder, snapshot)
            of_files.delete()
        yield snapshot
    finally:
        snapshot.delete()


def _snapshot_of_files(user: "User", folder: ServiceFolder) -> Snapshot:
    with tempfile.TemporaryFile() as zipped:
        _zip(folder.files, zipped)
        zipped.seek(0)
        blob = storage.save(_chunks(zipped))
    return Snapshot.objects.create(
        owner=user, runtime=folder.runtime, blob=blob, is_empty=not folder.files
    )


def _with_models(user: "User", folder: ServiceFolder, files: Snapshot) -> Snapshot:
    """A snapshot of the files and models, bound to their variables in a session."""
    session = open_session(user=user, runtime=folder.runtime, snapshot_id=str(files.pk))
    session_id = str(session.pk)
    try:
        for variable, path in folder.models.items():
            try:
                with path.open("rb") as model:
                    put_object(
                        user=user, session_id=session_id, name=variable, chunks=_chunks(model)
                    )
            except InvalidRequest as error:
                raise InvalidRequest(
                    f"{path} cannot be bound to {variable}: {error.message}",
                    fields=f"models.{variable}",
                ) from None
        return create_snapshot(user=user, session_id=session_id)
    finally:
        # One that is left behind is closed when it has been idle.
        with suppress(MlopsError):
            close_session(user=user, session_id=session_id, force=True)


def _zip(files: Mapping[str, Path], target: IO[bytes]) -> None:
    """Write the files as a zip whose bytes depend on names and contents only."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # of the year 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as copy:
                shutil.copyfileobj(source, copy, _CHUNK_BYTES)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
