"""Sessions: shells of a compute node lent to one user each (wire-api sections 4 and 15).

Every function is for the owner alone: somebody else's session is as unknown as one that does not
exist. All raise NotFound for those, and Gone once the node that held the session has lost it.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from mlops.accounts.models import User
from mlops.errors import Busy, Gone, MlopsError, NodeUnreachable
from nodes import snapshots
from nodes.background import SyncStream, run_sync, run_sync_feeding
from nodes.compute_node import ComputeNode
from nodes.holding import node_holding, own_session, touch
from nodes.models import Session
from nodes.names import check_name
from nodes.registry import dispatch_sync

logger = logging.getLogger(__name__)


def open_session(
    *, user: User, runtime: str, name: str = "", snapshot_id: str | None = None
) -> Session:
    """A new session on some ready node, with the user's snapshot loaded if one is named.

    Raises NotFound for an unknown snapshot, InvalidRequest for one of another runtime, and Busy
    when no shell is free.
    """
    snapshot = None
    if snapshot_id is not None:
        snapshot = snapshots.own_snapshot(user=user, snapshot_id=snapshot_id)
        snapshots.check_runtime(snapshot, runtime)
    session = Session(owner=user, runtime=runtime, name=name)

    def open_on(node: ComputeNode) -> None:
        # Stored first: should this process die now, the session is found and closed some day.
        session.node = node.address
        session.save()
        run_sync(node.open_session(session.pk, runtime))

    try:
        dispatch_sync(open_on, runtime=runtime)
    except Busy:
        _delete(session)
        raise
    except BaseException:
        _discard(session)
        raise
    if snapshot is not None:
        try:
            snapshots.load_into(session, snapshot)
        except BaseException:
            _discard(session)
            raise
    return session


def close_session(*, user: User, session_id: str, force: bool = False) -> None:
    """Free the session's shell and working directory; `force` kills what it is running first."""
    session = own_session(user=user, session_id=session_id)
    try:
        with node_holding(session) as node:
            run_sync(node.close_session(session.pk, force=force))
    except Gone:
        session.delete()
        raise
    session.delete()


def list_objects(*, user: User, session_id: str) -> list[str]:
    """The names of the objects in the session's workspace."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        return run_sync(node.list_objects(session.pk))


def put_object(*, user: User, session_id: str, name: str, chunks: Iterable[bytes]) -> None:
    """Bind an object (dill or RData bytes) to `name`; raises InvalidRequest if it is unreadable."""
    check_name(name)
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        run_sync_feeding(lambda body: node.put_object(session.pk, name, body), chunks)


def get_object(*, user: User, session_id: str, name: str) -> SyncStream:
    """The object's bytes (dill or RData); raises NotFound when there is none of that name."""
    check_name(name)
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        return SyncStream(node.get_object(session.pk, name))


def delete_object(*, user: User, session_id: str, name: str) -> None:
    """Remove the object; raises NotFound when there is none of that name."""
    check_name(name)
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        run_sync(node.delete_object(session.pk, name))


def close_idle_sessions(*, now: datetime) -> int:
    """Close the sessions that nobody has used for SESSION_IDLE_SECONDS; answers how many.

    One whose node cannot be reached stays for the next time: it may still hold a shell.
    """
    idle_since = now - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    unreachable: set[str] = set()
    n_closed = 0
    for session in Session.objects.filter(last_used_at__lt=idle_since):
        if session.node in unreachable:
            continue
        try:
            with node_holding(session) as node:
                run_sync(node.close_session(session.pk, force=True))
        except Gone:
            pass
        except MlopsError as error:
            if isinstance(error, NodeUnreachable):
                unreachable.add(session.node)
            logger.warning("Idle session %s was not closed: %s", session.pk, error.message)
            continue
        session.delete()
        n_closed += 1
    return n_closed


def _discard(session: Session) -> None:
    """Undo an opening that failed half-way."""
    try:
        with node_holding(session) as node:
            run_sync(node.close_session(session.pk, force=True))
    except MlopsError as error:
        logger.info("Session %s was not closed on its node: %s", session.pk, error.message)
    _delete(session)


def _delete(session: Session) -> None:
    Session.objects.filter(pk=session.pk).delete()
