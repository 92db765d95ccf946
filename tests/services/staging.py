"""Uploads that tests stage without a browser."""

from mlops.accounts.models import User
from services import uploads
from services.actions.publish import publish_version
from services.actions.publish_realtime import publish_realtime
from services.models import Upload, Version
from services.payloads import model_file, zipped
from services.schema import REALTIME, Definition
from services.staged import StagedFile


def stage(user: User, name: str, content: bytes) -> Upload:
    """A complete upload of the user's."""
    upload = uploads.begin_upload(user=user, name=name, size=len(content))
    for offset in range(0, len(content), uploads.PIECE_BYTES):
        upload = uploads.add_piece(
            user=user,
            upload_id=str(upload.pk),
            offset=offset,
            piece=content[offset : offset + uploads.PIECE_BYTES],
        )
    return upload


def staged(user: User, name: str, content: bytes) -> StagedFile:
    """The same as a file of a version to be, under its own name."""
    return StagedFile(name, str(stage(user, name, content).pk))


def publish(user: User, definition: Definition, *files: StagedFile, name: str = "churn") -> Version:
    """A version v1 with these files, published as a draft of them is."""
    if definition.runtime_type == REALTIME:
        with model_file(files, user=user) as model:
            labels = Definition(description=definition.description, example=definition.example)
            return publish_realtime(
                user=user, name=name, version="v1", model=model.save(), definition=labels
            )
    with zipped(files, user=user) as payload:
        return publish_version(
            user=user, name=name, version="v1", definition=definition, payload=payload.save()
        )
