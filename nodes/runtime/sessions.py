"""The sessions of a node: shells lent to one user each, by id."""

from .config import NodeConfig
from .errors import InvalidRequest, RuntimeUnavailable, SessionUnknown
from .pool import Pool
from .session import Session


class Sessions:
    """All open sessions of the node."""

    def __init__(self, pools: dict[str, Pool], config: NodeConfig) -> None:
        self._pools = pools
        self._config = config
        self._sessions: dict[str, Session] = {}
        self._opening: set[str] = set()

    async def open(self, session_id: str, runtime: str) -> None:
        """Lends a blank shell to a new session; `Busy` when there is none."""
        pool = self._pools.get(runtime)
        if pool is None:
            raise RuntimeUnavailable(f"This node does not run {runtime}.")
        if session_id in self._sessions or session_id in self._opening:
            raise InvalidRequest("A session of this id is open already.")
        self._opening.add(session_id)
        try:
            shell = await pool.acquire(None)
        finally:
            self._opening.discard(session_id)

        def forget() -> None:
            del self._sessions[session_id]
            pool.discard(shell)

        self._sessions[session_id] = Session(shell, self._config, on_end=forget)

    def get(self, session_id: str) -> Session:
        """The open session; `SessionUnknown` when there is none of this id."""
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionUnknown("This node has no such session.")
        return session

    def ids(self) -> list[str]:
        """The ids of all open sessions, oldest first."""
        return list(self._sessions)

    def busy_ids(self) -> list[str]:
        """The ids of those that serve a call just now."""
        return [name for name, session in self._sessions.items() if session.is_busy]
