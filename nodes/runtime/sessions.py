"""Sessions: shells lent to one user each; their calls are served one at a time, in order."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from . import archive
from .config import NodeConfig
from .errors import (
    InvalidRequest,
    ObjectInvalid,
    ObjectUnknown,
    RuntimeUnavailable,
    SessionFailed,
    SessionUnknown,
    ShellDied,
    SnapshotInvalid,
)
from .pool import Pool
from .shell import Shell

_CLOSE_SECONDS = 30.0
_WORKSPACE_FILES = {"Python": ".dill", "R": ".RData"}


class _Session:
    def __init__(self, session_id: str, shell: Shell, pool: Pool) -> None:
        self.id = session_id
        self.shell = shell
        self.pool = pool
        self.turn = asyncio.Lock()
        self.exchange = shell.home / "exchange"  # files on their way in and out
        self.exchange.mkdir(mode=0o700)

    def scratch(self) -> Path:
        """A new name below the exchange directory."""
        return self.exchange / uuid.uuid4().hex


class Sessions:
    """All open sessions of the node by id."""

    def __init__(self, pools: dict[str, Pool], config: NodeConfig) -> None:
        self._pools = pools
        self._run_seconds = config.run_seconds
        self._extracted_max_bytes = config.extracted_max_bytes
        self._sessions: dict[str, _Session] = {}
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
        session = _Session(session_id, shell, pool)
        self._sessions[session_id] = session
        shell.on_death = lambda _: self._end(session)

    async def close(self, session_id: str, *, force: bool) -> None:
        """Ends the session; a call that is running is waited for, unless by force, for a while."""
        session = self._get(session_id)
        if not force:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await session.turn.acquire()
            except TimeoutError:
                pass
            else:
                session.turn.release()
        self._end(session)

    async def list_objects(self, session_id: str) -> list[str]:
        """The names of the objects."""
        async with self._turn(session_id) as session:
            answer = await self._call(session, {"op": "list_objects"})
            return list(answer["objects"])

    async def put_object(self, session_id: str, name: str, body: AsyncIterator[bytes]) -> None:
        """Binds the object in the body; `ObjectInvalid` when the interpreter cannot read it."""
        async with self._turn(session_id) as session:
            path = await _receive(body, session.scratch())
            try:
                header = {"op": "put_object", "name": name, "path": str(path)}
                answer = await self._call(session, header)
            finally:
                path.unlink(missing_ok=True)
        _check(answer, ObjectInvalid)

    async def get_object(self, session_id: str, name: str) -> Path:
        """A file with the object's bytes, the caller's to delete."""
        async with self._turn(session_id) as session:
            path = session.scratch()
            header = {"op": "get_object", "name": name, "path": str(path)}
            answer = await self._call(session, header)
        _check(answer, ObjectInvalid)
        return path

    async def delete_object(self, session_id: str, name: str) -> None:
        """Removes the object; `ObjectUnknown` when there is none."""
        async with self._turn(session_id) as session:
            answer = await self._call(session, {"op": "delete_object", "name": name})
        _check(answer, ObjectInvalid)

    async def save_snapshot(self, session_id: str) -> Path:
        """A zip of all files and objects, the caller's to delete."""
        async with self._turn(session_id) as session:
            workspace, zipped = session.scratch(), session.scratch()
            header = {"op": "save_workspace", "path": str(workspace)}
            _check(await self._call(session, header), SnapshotInvalid)
            extra = {}
            if workspace.exists():
                extra[_WORKSPACE_FILES[session.shell.runtime]] = workspace
            await asyncio.to_thread(archive.write, session.shell.work, zipped, extra)
            workspace.unlink(missing_ok=True)
            return zipped

    async def load_snapshot(self, session_id: str, body: AsyncIterator[bytes]) -> None:
        """Merges files and objects of a zip; `SnapshotInvalid` when it cannot be used."""
        async with self._turn(session_id) as session:
            zipped, files = session.scratch(), session.scratch()
            files.mkdir()
            try:
                await _receive(body, zipped)
                await self._merge(session, zipped, files)
            finally:
                zipped.unlink(missing_ok=True)
                await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)

    async def _merge(self, session: _Session, zipped: Path, files: Path) -> None:
        try:
            await asyncio.to_thread(
                archive.extract, zipped, files, max_bytes=self._extracted_max_bytes
            )
        except archive.ArchiveError as error:
            raise SnapshotInvalid(f"The snapshot is refused: {error}.") from None
        workspace = files / _WORKSPACE_FILES[session.shell.runtime]
        if workspace.exists():
            header = {"op": "load_workspace", "path": str(workspace)}
            _check(await self._call(session, header), SnapshotInvalid)
            workspace.unlink()
        await asyncio.to_thread(archive.merge, files, session.shell.work)

    @asynccontextmanager
    async def _turn(self, session_id: str) -> AsyncIterator[_Session]:
        session = self._get(session_id)
        async with session.turn:
            self._get(session_id)  # it may have been closed while we waited
            try:
                yield session
            except ShellDied as death:
                self._end(session)
                raise SessionFailed(f"The session is lost. {death}") from None

    async def _call(self, session: _Session, header: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            answer, _ = await session.shell.call(
                header,
                deadline=loop.time() + self._run_seconds,
                expired=f"It did not finish within {self._run_seconds:g} seconds.",
            )
        except asyncio.CancelledError:
            # The answer of the call that was given up must not meet the next one.
            self._end(session)
            raise
        return answer

    def _get(self, session_id: str) -> _Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionUnknown("This node has no such session.")
        return session

    def _end(self, session: _Session) -> None:
        if self._sessions.pop(session.id, None):
            session.pool.discard(session.shell)


def _check(answer: dict[str, Any], refusal: type[ObjectInvalid] | type[SnapshotInvalid]) -> None:
    if answer.get("ok"):
        return
    message = str(answer.get("message") or "The interpreter refused without saying why.")
    if answer.get("code") == "object-unknown":
        raise ObjectUnknown(message)
    raise refusal(message)


async def _receive(body: AsyncIterator[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        async for chunk in body:
            file.write(chunk)
    return path
