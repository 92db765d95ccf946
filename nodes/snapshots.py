"""Snapshots: saved sessions, kept as blobs (wire-api section 5).

A snapshot belongs to its creator alone, whatever role others have: to them it does not exist.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.errors import InvalidRequest, NotFound, TooLarge
from nodes.background import HangUp, SyncStream, run_sync_feeding
from nodes.holding import own_session, parse_id, turn_at
from nodes.models import Session, Snapshot

_EMPTY_ZIP = b"PK\x05\x06"  # the end of a zip's directory, where others have their first entry


def own_snapshot(*, user: User, snapshot_id: str) -> Snapshot:
    """The user's snapshot; raises NotFound for any other, as if it did not exist."""
    snapshots = Snapshot.objects.select_related("blob").filter(owner=user)
    snapshot = snapshots.filter(pk=parse_id(snapshot_id)).first()
    if snapshot is None:
        raise NotFound("You have no such snapshot.")
    return snapshot


def create_snapshot(
    *, user: User, session_id: str, name: str = "", hang_up: HangUp | None = None
) -> Snapshot:
    """The session's objects and files as they are now, saved; not for a client that hangs up.

    Raises TooLarge for more than SNAPSHOT_MAX_BYTES, and InvalidRequest when the user has as many
    snapshots, or bytes of them, as allowed.
    """
    session = own_session(user=user, session_id=session_id)
    n_left = _bytes_left(user)
    with turn_at(session) as node:
        stream = SyncStream(node.save_snapshot(session.pk), hang_up=hang_up)
        zipped = _Watched(stream, max_bytes=n_left)
        try:
            zipped.expect(int(stream.header("content-length") or 0))
            blob = storage.save(zipped)
        finally:
            stream.close()
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one at a time for each user
        if blob.size > _bytes_left(user):
            raise _no_bytes_left()
        snapshot = Snapshot.objects.create(
            owner=user,
            name=name,
            runtime=session.runtime,
            blob=blob,
            is_empty=zipped.first_bytes == _EMPTY_ZIP,
        )
        record(
            "create snapshot",
            user=user,
            object=f"snapshot {snapshot.pk}",
            after={**_portrait(snapshot), "session": str(session.pk)},
        )
    return snapshot


def load_snapshot(*, user: User, session_id: str, snapshot_id: str) -> None:
    """Merge the snapshot into the session; same-named objects and files are overwritten.

    Raises InvalidRequest when they are of different runtimes.
    """
    session = own_session(user=user, session_id=session_id)
    snapshot = own_snapshot(user=user, snapshot_id=snapshot_id)
    check_runtime(snapshot, session.runtime)
    load_into(session, snapshot)
    record(
        "load snapshot",
        user=user,
        object=f"session {session.pk}",
        after={"snapshot": str(snapshot.pk)},
    )


def delete_snapshot(*, user: User, snapshot_id: str) -> None:
    """Remove the snapshot; versions published from it keep their copy."""
    snapshot = own_snapshot(user=user, snapshot_id=snapshot_id)
    with transaction.atomic():
        record(
            "delete snapshot",
            user=user,
            object=f"snapshot {snapshot.pk}",
            before=_portrait(snapshot),
        )
        snapshot.delete()


def check_runtime(snapshot: Snapshot, runtime: str) -> None:
    """Raise InvalidRequest unless the snapshot can be loaded into a session of `runtime`."""
    if snapshot.runtime != runtime:
        raise InvalidRequest(
            f"Snapshot {snapshot.pk} is of runtime {snapshot.runtime}, the session of {runtime}.",
            fields="snapshotId",
        )


def load_into(session: Session, snapshot: Snapshot) -> None:
    """Send the snapshot's content to the session."""
    with turn_at(session) as node:
        run_sync_feeding(
            lambda body: node.load_snapshot(session.pk, body), storage.read(snapshot.blob)
        )


def _portrait(snapshot: Snapshot) -> dict[str, Any]:
    """What the audit trail keeps of it."""
    return {
        "name": snapshot.name,
        "runtimeType": snapshot.runtime,
        "sha256": snapshot.blob.digest,
        "bytes": snapshot.blob.size,
    }


class _Watched:
    """Chunks passed on, the first four bytes of them kept, up to `max_bytes`."""

    def __init__(self, chunks: Iterable[bytes], *, max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self.first_bytes = b""

    def __iter__(self) -> Iterator[bytes]:
        n_bytes = 0
        for chunk in self._chunks:
            if len(self.first_bytes) < 4:
                self.first_bytes = (self.first_bytes + chunk)[:4]
            n_bytes += len(chunk)
            self.expect(n_bytes)
            yield chunk

    def expect(self, n_bytes: int) -> None:
        """Raise TooLarge or InvalidRequest when there are too many bytes."""
        if n_bytes > settings.SNAPSHOT_MAX_BYTES:
            raise TooLarge(
                f"The snapshot has more than {settings.SNAPSHOT_MAX_BYTES} bytes, the largest"
                " allowed: remove objects or files from the session."
            )
        if n_bytes > self._max_bytes:
            raise _no_bytes_left()


def _bytes_left(user: User) -> int:
    """How many bytes of snapshots the user may add; raises InvalidRequest for too many of them."""
    used = Snapshot.objects.filter(owner=user).aggregate(n=Count("pk"), n_bytes=Sum("blob__size"))
    if used["n"] >= settings.SNAPSHOTS_PER_USER:
        raise InvalidRequest(
            f"You have {used['n']} snapshots, as many as a user may have: delete some of them."
        )
    return max(0, settings.SNAPSHOT_BYTES_PER_USER - (used["n_bytes"] or 0))


def _no_bytes_left() -> InvalidRequest:
    return InvalidRequest(
        "With this one your snapshots would have more than the"
        f" {settings.SNAPSHOT_BYTES_PER_USER} bytes a user may have: delete some of them."
    )
