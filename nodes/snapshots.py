"""Snapshots: saved sessions, kept as blobs (wire-api section 5).

A snapshot belongs to its creator alone, whatever role others have: to them it does not exist.
"""

from collections.abc import Iterable, Iterator

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.errors import InvalidRequest, NotFound
from nodes.background import SyncStream, run_sync_feeding
from nodes.holding import node_holding, own_session, parse_id, touch
from nodes.models import Session, Snapshot

_EMPTY_ZIP = b"PK\x05\x06"  # the end of a zip's directory, where others have their first entry


def own_snapshot(*, user: User, snapshot_id: str) -> Snapshot:
    """The user's snapshot; raises NotFound for any other, as if it did not exist."""
    snapshots = Snapshot.objects.select_related("blob").filter(owner=user)
    snapshot = snapshots.filter(pk=parse_id(snapshot_id)).first()
    if snapshot is None:
        raise NotFound("You have no such snapshot.")
    return snapshot


def create_snapshot(*, user: User, session_id: str, name: str = "") -> Snapshot:
    """The session's objects and files as they are now, saved."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        stream = SyncStream(node.save_snapshot(session.pk))
        zipped = _Peeked(stream)
        try:
            blob = storage.save(zipped)
        finally:
            stream.close()
    return Snapshot.objects.create(
        owner=user,
        name=name,
        runtime=session.runtime,
        blob=blob,
        is_empty=zipped.first_bytes == _EMPTY_ZIP,
    )


def load_snapshot(*, user: User, session_id: str, snapshot_id: str) -> None:
    """Merge the snapshot into the session; same-named objects and files are overwritten.

    Raises InvalidRequest when they are of different runtimes.
    """
    session = own_session(user=user, session_id=session_id)
    snapshot = own_snapshot(user=user, snapshot_id=snapshot_id)
    check_runtime(snapshot, session.runtime)
    touch(session)
    load_into(session, snapshot)


def delete_snapshot(*, user: User, snapshot_id: str) -> None:
    """Remove the snapshot; versions published from it keep their copy."""
    own_snapshot(user=user, snapshot_id=snapshot_id).delete()


def check_runtime(snapshot: Snapshot, runtime: str) -> None:
    """Raise InvalidRequest unless the snapshot can be loaded into a session of `runtime`."""
    if snapshot.runtime != runtime:
        raise InvalidRequest(
            f"Snapshot {snapshot.pk} is of runtime {snapshot.runtime}, the session of {runtime}.",
            fields="snapshotId",
        )


def load_into(session: Session, snapshot: Snapshot) -> None:
    """Send the snapshot's content to the session."""
    with node_holding(session) as node:
        run_sync_feeding(
            lambda body: node.load_snapshot(session.pk, body), storage.read(snapshot.blob)
        )


class _Peeked:
    """Chunks passed on, the first four bytes of them kept."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.first_bytes = b""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if len(self.first_bytes) < 4:
                self.first_bytes = (self.first_bytes + chunk)[:4]
            yield chunk
