"""Finding a caller's session and the node that holds it."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from mlops.accounts.models import User
from mlops.accounts.roles import Role, role_of
from mlops.errors import Busy, Gone, NodeUnreachable, NotFound
from nodes import uris
from nodes.compute_node import ComputeNode
from nodes.models import Session
from nodes.picture import declared_uris

_LOST = "The session is lost: the compute node that held it was stopped or removed."
_TOUCH_EVERY = timedelta(minutes=1)
_MOST_WAITING = 64  # calls of one session in this process, each of which holds a thread

_waiting: Counter[UUID] = Counter()
_waiting_lock = threading.Lock()


def own_session(*, user: User, session_id: str) -> Session:
    """The user's session; raises NotFound for any other, as if it did not exist."""
    session = Session.objects.filter(owner=user, pk=parse_id(session_id)).first()
    if session is None:
        raise NotFound("You have no such session.")
    return session


def visible_sessions(user: User) -> QuerySet[Session]:
    """The sessions that the console shows to the user: the own ones, to an Owner everybody's."""
    every = Session.objects.all()
    return every if role_of(user) == Role.OWNER else every.filter(owner=user)


def parse_id(text: str) -> UUID:
    """The id that a path segment or a member of a body spells; raises NotFound when it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("Ids are GUIDs; there is nothing of this one.") from None


@contextmanager
def node_holding(session: Session) -> Iterator[ComputeNode]:
    """The node that holds the session; what runs in the context raises Gone once it is lost.

    A session lives in processes of its node: it is lost when the node does not know it any more,
    when nothing listens at its address, or when the node is no longer declared. A node that merely
    cannot be reached may come back.
    """
    if not any(uri.contains(uris.parse(session.node)) for uri in declared_uris()):
        raise Gone(_LOST)
    try:
        yield ComputeNode(session.node)
    except NodeUnreachable as error:
        if error.is_refused:
            raise Gone(_LOST) from error
        raise
    except Gone as error:
        raise Gone(_LOST) from error


@contextmanager
def turn_at(session: Session) -> Iterator[ComputeNode]:
    """As `node_holding`, for calls that the node serves one at a time; the session is in use.

    Raises Busy when too many of them wait already.
    """
    with _waiting_lock:
        if _waiting[session.pk] >= _MOST_WAITING:
            raise Busy(f"{_MOST_WAITING} calls of this session wait for their turn already.")
        _waiting[session.pk] += 1
    try:
        touch(session)
        with node_holding(session) as node:
            yield node
    finally:
        with _waiting_lock:
            _waiting[session.pk] -= 1
            if not _waiting[session.pk]:
                del _waiting[session.pk]


def touch(session: Session) -> None:
    """Note that the session is in use, to the minute."""
    now = timezone.now()
    Session.objects.filter(pk=session.pk, last_used_at__lt=now - _TOUCH_EVERY).update(
        last_used_at=now
    )
