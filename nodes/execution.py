"""Running code in a session and watching it (wire-api sections 4 and 15); for the owner alone."""

from collections.abc import Sequence
from concurrent.futures import Future, wait

from mlops.accounts.models import User
from mlops.database import release_connection
from nodes.background import HangUp, result, run_sync, start
from nodes.compute_node import Input
from nodes.holding import node_holding, own_session, touch, turn_at
from nodes.models import Session

_LOOK_EVERY_SECONDS = 20  # a session that executes is in use: it says so more often than it expires


def execute(
    *,
    user: User,
    session_id: str,
    code: str,
    inputs: Sequence[Input] = (),
    outputs: Sequence[str] = (),
    hang_up: HangUp | None = None,
) -> bytes:
    """The execute body as JSON bytes, once the code has run to its end; earlier calls come first.

    A client that hangs up interrupts it.
    """
    session = own_session(user=user, session_id=session_id)
    with turn_at(session) as node:
        call = start(node.execute(session.pk, code, inputs, outputs), hang_up=hang_up)
        _await(call, session)
        return result(call)


def console_output(*, user: User, session_id: str) -> str:
    """What the current or last execute has printed; answers while code runs."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        return run_sync(node.console_output(session.pk))


def history(*, user: User, session_id: str) -> list[str]:
    """The texts executed, oldest first; answers while code runs."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        return run_sync(node.history(session.pk))


def cancel(*, user: User, session_id: str) -> None:
    """Interrupt what the session executes; without effect when it executes nothing."""
    session = own_session(user=user, session_id=session_id)
    touch(session)
    with node_holding(session) as node:
        run_sync(node.cancel(session.pk))


def _await(call: "Future[bytes]", session: Session) -> None:
    """Return when the call has ended; it may take an hour, and the session is in use meanwhile."""
    try:
        while not call.done():
            release_connection()
            wait([call], timeout=_LOOK_EVERY_SECONDS)
            touch(session)
    except BaseException:
        call.cancel()
        raise
