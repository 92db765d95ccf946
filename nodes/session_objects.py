"""The objects in a session's workspace (wire-api section 4); for the owner alone."""

from collections.abc import Iterable

from mlops.accounts.models import User
from nodes.background import SyncStream, run_sync, run_sync_feeding
from nodes.holding import own_session, turn_at
from nodes.names import check_name


def list_objects(*, user: User, session_id: str) -> list[str]:
    """The names of the objects in the session's workspace."""
    session = own_session(user=user, session_id=session_id)
    with turn_at(session) as node:
        return run_sync(node.list_objects(session.pk))


def put_object(*, user: User, session_id: str, name: str, chunks: Iterable[bytes]) -> None:
    """Bind an object (dill or RData bytes) to `name`; raises InvalidRequest if it is unreadable."""
    session = own_session(user=user, session_id=session_id)
    check_name(name)
    with turn_at(session) as node:
        run_sync_feeding(lambda body: node.put_object(session.pk, name, body), chunks)


def get_object(*, user: User, session_id: str, name: str) -> SyncStream:
    """The object's bytes (dill or RData); raises NotFound when there is none of that name."""
    session = own_session(user=user, session_id=session_id)
    check_name(name)
    with turn_at(session) as node:
        return SyncStream(node.get_object(session.pk, name))


def delete_object(*, user: User, session_id: str, name: str) -> None:
    """Remove the object; raises NotFound when there is none of that name."""
    session = own_session(user=user, session_id=session_id)
    check_name(name)
    with turn_at(session) as node:
        run_sync(node.delete_object(session.pk, name))
