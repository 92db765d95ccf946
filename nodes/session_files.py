"""The files in a session's working directory (wire-api section 4); for the owner alone."""

from collections.abc import Iterable

from mlops.accounts.models import User
from nodes.background import SyncStream, run_sync, run_sync_feeding
from nodes.holding import node_holding, own_session, touch, turn_at
from nodes.names import check_file_name, check_path


def list_files(*, user: User, session_id: str) -> list[str]:
    """The names of the files, `/` between folders; answers while code runs."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        return run_sync(node.list_files(session.pk))


def put_file(*, user: User, session_id: str, name: str, chunks: Iterable[bytes]) -> None:
    """Store a file in the working directory itself, in place of a former one of that name."""
    session = own_session(user=user, session_id=session_id)
    check_file_name(name)
    with turn_at(session) as node:
        run_sync_feeding(lambda body: node.put_file(session.pk, name, body), chunks)


def get_file(*, user: User, session_id: str, name: str) -> SyncStream:
    """The file's bytes; answers while code runs. Raises NotFound when there is no such file."""
    session = own_session(user=user, session_id=session_id)
    check_path(name)
    touch(session)
    with node_holding(session) as node:
        return SyncStream(node.get_file(session.pk, name))


def delete_file(*, user: User, session_id: str, name: str) -> None:
    """Remove the file; raises NotFound when there is none of that name."""
    session = own_session(user=user, session_id=session_id)
    check_path(name)
    with turn_at(session) as node:
        run_sync(node.delete_file(session.pk, name))
