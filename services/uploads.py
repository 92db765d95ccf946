"""Staged uploads: files that come in pieces, to publish versions from (console, Publish).

All state is in the database, so that each piece may reach another web node and a lost connection or
an ended session costs no more than one piece. An upload is its owner's alone: to others it does not
exist. It lives for a day from its last use, and as long as something refers to it (a draft, say).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, ForeignObjectRel, OuterRef, Sum
from django.db.models.expressions import Combinable
from django.utils import timezone

from mlops.accounts.models import User
from mlops.accounts.roles import Role
from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import Conflict, InvalidRequest, LimitReached, MlopsError, NotFound, TooLarge
from nodes.holding import parse_id
from nodes.names import check_path
from services.models import Upload
from services.permissions import require_role

if TYPE_CHECKING:
    from collections.abc import Iterable

# What all web nodes and proxies take from a browser without asking who it is (body_limit.py).
PIECE_BYTES = storage.CHUNK_BYTES
UNUSED = timedelta(days=1)


class WrongOffset(Conflict):
    """The piece is not the one that is missing; `received` says at which offset that begins."""

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(f"The next piece begins at {received}.")


def begin_upload(*, user: User, name: str, size: int) -> Upload:
    """A new upload of `size` bytes, nothing of which has come.

    `name` may have folders, as a file of a folder. Raises Forbidden below Contributor,
    InvalidRequest for a name or a size that cannot be, TooLarge, and LimitReached when the user has
    as many uploads, or bytes of them, as allowed.
    """
    require_role(user, Role.CONTRIBUTOR)
    check_path(name)
    if size < 1:
        raise InvalidRequest(f"{name} is empty: choose a file that has something in it.")
    if size > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(
            f"{name} has {size} bytes; an upload may have {settings.MAX_UPLOAD_BYTES}. "
            "An administrator can raise MLOPS_MAX_UPLOAD_BYTES."
        )
    blob = storage.begin()
    try:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)  # one at a time for each user
            _require_room(user, size)
            return Upload.objects.create(
                owner=user, name=name, size=size, blob=blob, used_at=timezone.now()
            )
    except BaseException:
        storage.discard(blob)
        raise


def own_upload(*, user: User, upload_id: str) -> Upload:
    """The user's upload; raises NotFound for any other, as if it did not exist."""
    uploads = Upload.objects.select_related("blob").filter(owner=user)
    upload = uploads.filter(pk=parse_id(str(upload_id))).first()
    if upload is None:
        raise NotFound("You have no such upload: it may have been removed; choose the file again.")
    return upload


def add_piece(*, user: User, upload_id: str, offset: int, piece: bytes) -> Upload:
    """The upload with the piece that begins at `offset`.

    Every piece has PIECE_BYTES, the last one what is left. Raises WrongOffset unless it is the next
    one; one that came already is not stored again, wherever the answer got lost.
    """
    require_role(user, Role.CONTRIBUTOR)
    upload = own_upload(user=user, upload_id=upload_id)
    if upload.is_complete or offset != upload.received:
        raise WrongOffset(upload.received)
    due = min(PIECE_BYTES, upload.size - offset)
    if len(piece) != due:
        raise InvalidRequest(f"The piece at {offset} has {len(piece)} bytes; it must have {due}.")
    try:
        storage.append(upload.blob, piece)
    except MlopsError:  # somebody else's piece was quicker
        upload.blob.refresh_from_db()
        raise WrongOffset(upload.received) from None
    Upload.objects.filter(pk=upload.pk).update(used_at=timezone.now())
    return upload


def delete_upload(*, user: User, upload_id: str) -> None:
    """Remove the upload; what was published from it stays."""
    _delete([own_upload(user=user, upload_id=upload_id)])


def finished_blob(upload: Upload) -> Blob:
    """The finished blob with the upload's bytes; reads all of them the first time.

    Raises InvalidRequest while some are missing. The upload counts as used.
    """
    if not upload.is_complete:
        raise InvalidRequest(
            f"Of {upload.name} only {upload.received} of {upload.size} bytes have come: let its "
            "upload finish."
        )
    draft = upload.blob
    if draft.digest is None:
        upload.blob = storage.finish(draft)
    Upload.objects.filter(pk=upload.pk).update(blob=upload.blob, used_at=timezone.now())
    if upload.blob != draft:
        storage.discard(draft)
    return upload.blob


def chunks_of(upload: Upload) -> Iterator[bytes]:
    """The bytes of a complete upload in pieces; raises as `finished_blob`."""
    return storage.read(finished_blob(upload))


def sweep(now: datetime) -> int:
    """Delete the uploads unused for a day that nothing refers to; how many they were."""
    unused = Upload.objects.filter(*_unreferenced(), used_at__lt=now - UNUSED)
    return _delete(unused.select_related("blob"))


def _require_room(user: User, size: int) -> None:
    own = Upload.objects.filter(owner=user)
    if own.count() >= settings.UPLOADS_PER_USER:
        raise LimitReached(
            f"You have {settings.UPLOADS_PER_USER} uploaded files that are not published yet, as "
            "many as a user may have: remove some, or wait until unused ones are removed in a day."
        )
    used = own.aggregate(n_bytes=Sum("size"))["n_bytes"] or 0
    if used + size > settings.UPLOAD_BYTES_PER_USER:
        raise LimitReached(
            f"With this file your uploads would have more than the {settings.UPLOAD_BYTES_PER_USER}"
            " bytes that a user may have: remove some of them."
        )


def _delete(uploads: "Iterable[Upload]") -> int:
    n_deleted = 0
    for upload in uploads:
        Upload.objects.filter(pk=upload.pk).delete()
        # One that is finished may be a version's, or somebody else's: the sweep of blobs knows.
        if upload.blob.digest is None:
            storage.discard(upload.blob)
        n_deleted += 1
    return n_deleted


def _unreferenced() -> Iterator[Combinable]:
    """The conditions that nothing points at an upload, through hidden relations included."""
    for relation in Upload._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel):
            rows = relation.related_model._base_manager
            yield ~Exists(rows.filter(**{relation.field.name: OuterRef("pk")}))
