"""Uploads that tests stage without a browser."""

from mlops.accounts.models import User
from services import uploads
from services.models import Upload
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
