"""Bytes in, bytes out, by content: kept once however often the same ones are saved.

A blob is a row and its chunks (architecture, "State lives in the database"). Each chunk is its own
short transaction, so that SQLite's one writer is free in between; a crash leaves an unfinished
blob behind, which the sweep deletes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count

from django.db import IntegrityError, transaction
from django.db.models import Exists, ForeignObjectRel, OuterRef
from django.db.models.expressions import Combinable
from django.utils import timezone

from mlops.blobs.models import Blob, BlobChunk
from mlops.errors import MlopsError

CHUNK_BYTES = 1024 * 1024
# A blob still being written, or not yet referenced by whoever saved it, is left alone this long.
GRACE = timedelta(hours=1)

_CHUNKS_PER_DELETE = 32
_DOOMED = -1  # the size that the sweep gives to what it is about to delete


def save(chunks: Iterable[bytes]) -> Blob:
    """The finished blob that holds the bytes of `chunks`, which may come in pieces of any size.

    Reference it within an hour, or the sweep takes it. Call it outside of transactions: one that
    stays open over all chunks would keep every other writer waiting.
    """
    blob = begin()
    digest = hashlib.sha256()
    try:
        for index, piece in enumerate(_regrouped(chunks)):
            digest.update(piece)
            _append(blob, index, piece)
        finished = _finish(blob, digest.hexdigest())
    except BaseException:
        _delete(blob)
        raise
    if finished != blob:
        _delete(blob)
    return finished


def begin() -> Blob:
    """An empty blob to which `append` adds over several requests, and which `finish` ends.

    Whoever refers to it keeps it, finished or not, from the sweep.
    """
    with transaction.atomic(durable=True):
        return Blob.objects.create(saved_at=timezone.now())


def append(blob: Blob, piece: bytes) -> None:
    """Write the next piece: CHUNK_BYTES, or fewer as the last one.

    Raises MlopsError when somebody else has written to it since it was read from the database.
    """
    _append(blob, blob.size // CHUNK_BYTES, piece)


def finish(blob: Blob) -> Blob:
    """The finished blob with the bytes that were appended, which may be another that has them.

    What is not used any more is then to be deleted with `discard`. It reads all of it.
    """
    digest = hashlib.sha256()
    for piece in _pieces(blob):
        digest.update(piece)
    return _finish(blob, digest.hexdigest())


def discard(blob: Blob) -> None:
    """Delete a blob that was never finished, and to which nothing refers any more."""
    _delete(blob)


def read(blob: Blob) -> Iterator[bytes]:
    """The bytes of a finished blob in pieces; MlopsError at the end unless they are those saved."""
    digest = hashlib.sha256()
    for piece in _pieces(blob):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != blob.digest:
        raise MlopsError(f"Blob {blob.pk} is damaged or gone: publish its content again.")


def sweep(now: datetime) -> int:
    """Delete the blobs that for an hour were unfinished or unreferenced; how many they were."""
    abandoned = Blob.objects.filter(*_unreferenced(), saved_at__lt=now - GRACE)
    # Conditions and update are one statement: what somebody has just saved again stays, and from
    # here on nobody can find, extend or finish the others.
    abandoned.update(digest=None, size=_DOOMED)
    doomed = list(Blob.objects.filter(size=_DOOMED))
    for blob in doomed:
        _delete(blob)
    return len(doomed)


def _pieces(blob: Blob) -> Iterator[bytes]:
    for index in count():
        chunk = BlobChunk.objects.filter(blob=blob, index=index).first()
        if chunk is None:
            return
        yield bytes(chunk.data)


def discard_finished(blob: Blob) -> None:
    """Delete a finished blob now, unless something refers to it by this time."""
    unused = Blob.objects.filter(*_unreferenced(), pk=blob.pk)
    if unused.update(digest=None, size=_DOOMED):
        _delete(blob)


def _regrouped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of CHUNK_BYTES, the last one shorter."""
    buffer = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(rest):
            room = CHUNK_BYTES - len(buffer)
            buffer += rest[:room]
            rest = rest[room:]
            if len(buffer) == CHUNK_BYTES:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


def _append(blob: Blob, index: int, piece: bytes) -> None:
    """Write one more chunk; raises MlopsError when the sweep has given the blob up meanwhile."""
    size = blob.size + len(piece)
    with transaction.atomic(durable=True):
        _advance(blob, size=size)
        BlobChunk.objects.create(blob=blob, index=index, data=piece)
    blob.size = size


def _finish(blob: Blob, digest: str) -> Blob:
    """`blob` under its digest, or the blob that has it already."""
    if known := _known(digest):
        return known
    try:
        with transaction.atomic(durable=True):
            _advance(blob, digest=digest)
    except IntegrityError:
        # Somebody else finished the same bytes since we looked.
        if known := _known(digest):
            return known
        raise
    blob.digest = digest
    return blob


def _advance(blob: Blob, **changes: object) -> None:
    """Change a blob that is still ours to write."""
    ours = Blob.objects.filter(pk=blob.pk, digest=None, size=blob.size)
    if not ours.update(saved_at=timezone.now(), **changes):
        raise MlopsError("The upload paused for too long and was given up: repeat it.")


def _known(digest: str) -> Blob | None:
    """The finished blob with this digest, marked as just saved so that the sweep spares it."""
    if Blob.objects.filter(digest=digest).update(saved_at=timezone.now()):
        return Blob.objects.get(digest=digest)
    return None


def _unreferenced() -> Iterator[Combinable]:
    """The conditions that nothing points at a blob, through hidden relations included.

    Its own chunks do not count.
    """
    for relation in Blob._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.related_model is not BlobChunk:
            rows = relation.related_model._base_manager
            yield ~Exists(rows.filter(**{relation.field.name: OuterRef("pk")}))


def _delete(blob: Blob) -> None:
    """Delete a blob that nobody can find any more, in short transactions."""
    chunks = BlobChunk.objects.filter(blob=blob)
    while some := list(chunks.values_list("pk", flat=True)[:_CHUNKS_PER_DELETE]):
        BlobChunk.objects.filter(pk__in=some).delete()
    Blob.objects.filter(pk=blob.pk, digest=None).delete()
