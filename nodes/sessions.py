"""Sessions: shells of a compute node lent to one user each (wire-api sections 4 and 15).

Every function but `end_session` is for the owner alone: somebody else's session is as unknown as
one that does not exist. All raise NotFound for those, and Gone once the node that held the session
has lost it.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.errors import Busy, Gone, LimitReached, MlopsError, NodeUnreachable, NotFound
from nodes import snapshots
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.holding import node_holding, own_session, parse_id, visible_sessions
from nodes.models import Session
from nodes.registry import dispatch_sync
from nodes.session_ids import new_id

logger = logging.getLogger(__name__)

_OPENED_WITHIN = timedelta(minutes=10)  # a node may not know a younger session yet
_ASK_SECONDS = 5
_END_SECONDS = 20


def open_session(
    *, user: User, runtime: str, name: str = "", snapshot_id: str | None = None
) -> Session:
    """A new session on some ready node, with the user's snapshot loaded if one is named.

    Raises NotFound for an unknown snapshot, InvalidRequest for one of another runtime,
    LimitReached when the user has too many sessions, and Busy when no shell is free.
    """
    snapshot = None
    if snapshot_id is not None:
        snapshot = snapshots.own_snapshot(user=user, snapshot_id=snapshot_id)
        snapshots.check_runtime(snapshot, runtime)
    if Session.objects.filter(owner=user).count() >= settings.SESSIONS_PER_USER:
        _forget_lost(user)
    session = Session(pk=new_id(), owner=user, runtime=runtime, name=name)

    def open_on(node: ComputeNode) -> None:
        # Stored first: should this process die now, the session is found and closed some day.
        session.node = node.address
        _store(session)
        run_sync(node.open_session(session.pk, runtime))

    try:
        dispatch_sync(open_on, runtime=runtime)
    except (Busy, LimitReached):
        _delete(session)
        raise
    except BaseException:
        _discard(session)
        raise
    try:
        if snapshot is not None:
            snapshots.load_into(session, snapshot)
        record(
            "open session",
            user=user,
            object=f"session {session.pk}",
            after={"runtimeType": runtime, "name": name, "snapshot": snapshot_id},
        )
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
        _delete(session, by=user)
        raise
    _delete(session, by=user)


def end_session(*, user: User, session_id: str) -> None:
    """Kill what the session runs and free all it has; an Owner may end anybody's.

    One that is lost or whose node cannot be reached is forgotten: if the node comes back still
    holding it, it is closed as a stray. Raises NotFound for a session that the user cannot see.
    """
    session = visible_sessions(user).select_related("owner").filter(pk=parse_id(session_id)).first()
    if session is None:
        raise NotFound("There is no such session, or it has ended already.")
    try:
        with node_holding(session) as node:
            run_sync(node.close_session(session.pk, force=True, seconds=_END_SECONDS))
    except (Gone, NodeUnreachable) as error:
        logger.info("Session %s was not ended on its node: %s", session.pk, error.message)
    _delete(session, by=user)


def _store(session: Session) -> None:
    """Save the session; raises LimitReached when its owner has as many others as allowed."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=session.owner_id)  # one at a time for each user
        others = Session.objects.filter(owner=session.owner_id).exclude(pk=session.pk)
        if others.count() >= settings.SESSIONS_PER_USER:
            raise LimitReached(
                f"You have {settings.SESSIONS_PER_USER} sessions open, as many as a user may have:"
                " close one of them."
            )
        session.save()


def _forget_lost(user: User) -> None:
    """Remove the user's sessions that their nodes have lost: they are in the way of new ones."""
    opened_before = timezone.now() - _OPENED_WITHIN
    own = Session.objects.filter(owner=user, created_at__lt=opened_before)
    held: dict[str, set[str]] = {}
    for session in own:
        try:
            with node_holding(session) as node:
                if session.node not in held:
                    held[session.node] = set(run_sync(node.list_sessions(seconds=_ASK_SECONDS)))
                if str(session.pk) not in held[session.node]:
                    _delete(session)
        except Gone:
            _delete(session)
        except MlopsError as error:
            logger.info("Whether session %s is lost is unknown: %s", session.pk, error.message)


def _discard(session: Session) -> None:
    """Undo an opening that failed half-way."""
    try:
        with node_holding(session) as node:
            run_sync(node.close_session(session.pk, force=True))
    except MlopsError as error:
        logger.info("Session %s was not closed on its node: %s", session.pk, error.message)
    _delete(session)


def _delete(session: Session, *, by: User | None = None) -> None:
    """Remove the row; `by` whom, when somebody has asked for it."""
    with transaction.atomic():
        n_deleted, _ = Session.objects.filter(pk=session.pk).delete()
        if by is not None and n_deleted:
            record(
                "close session",
                user=by,
                object=f"session {session.pk}",
                before=None if session.owner_id == by.pk else {"owner": session.owner.username},
            )
