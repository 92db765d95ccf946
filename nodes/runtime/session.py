"""One session: a shell lent to one user, whose calls are served one at a time, in order."""

import asyncio
import contextlib
import shutil
import stat
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from . import archive, execution, session_files
from .config import NodeConfig
from .errors import (
    ObjectInvalid,
    ObjectUnknown,
    SessionFailed,
    SessionUnknown,
    ShellDied,
    SnapshotInvalid,
)
from .execution import Execution
from .history import History
from .homes import STAGING, hand_over
from .session_files import PACKAGES, WORKSPACE_FILES
from .shell import Shell

_CLOSE_SECONDS = 30.0
_HEED_SECONDS = 5.0  # for code to heed the interrupt at the limit of its time
_PING_SECONDS = 10.0
_HISTORY_MAX_BYTES = 4 * 1024**2


class Session:
    """A shell and what is known of its use; `on_end` is called once, when it is given up.

    All calls raise `SessionUnknown` after that, and `SessionFailed` when the shell dies under them.
    """

    def __init__(self, shell: Shell, config: NodeConfig, *, on_end: Callable[[], None]) -> None:
        self._shell = shell
        self._config = config
        self._on_end = on_end
        self._ended = False
        self._turns = asyncio.Lock()
        self._running: Execution | None = None
        self._history = History(_HISTORY_MAX_BYTES)
        self._packages = shell.home / "packages"
        self._exchange = shell.home / "exchange"  # files that the shell reads or has written
        self._staging = shell.home / STAGING  # and where it does not reach them
        shell.on_death = lambda _: self._end()

    @property
    def is_busy(self) -> bool:
        """Whether a call of it is being served."""
        return self._turns.locked()

    async def close(self, *, force: bool) -> None:
        """Ends the session; calls before this one are waited for, unless by force, for a while."""
        if not force:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS), self._turns:
                    pass
        self._end("It was closed meanwhile.")

    # Running code.

    async def execute(self, body: bytes) -> bytes:
        """The execute body (wire-api section 4) once the code in the request has run.

        Cancelling it interrupts the code as `cancel` does, or withdraws it before its turn.
        """
        run = await execution.read_execution(body, self._shell.runtime)
        task = asyncio.get_running_loop().create_task(self._execute(run))
        task.add_done_callback(_note_exception)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not run.begun:
                task.cancel()
            elif self._running is run:
                self.cancel()
            raise

    def cancel(self) -> None:
        """Interrupts the code that runs, if any."""
        if self._running:
            self._running.interrupted = True
            self._shell.interrupt()

    def console_output(self) -> str:
        """What the current or else the last execution printed."""
        return self._shell.console.text()

    def history(self) -> list[str]:
        """The code executed so far, oldest first."""
        return self._history.blocks()

    async def _execute(self, run: Execution) -> bytes:
        async with self._turn():
            run.begun = True
            self._history.add(run.code)
            self._shell.console.begin()
            header, data = await self._run(run)
            console = self._shell.console.finish()
            if run.interrupted and not await self._shell.ping(_PING_SECONDS):
                # An interrupt may reach the shell when the run has just ended, to be ignored
                # there. What has answered since has done so, and the next run is safe from it.
                self._end("It did not answer any more after its code was interrupted.")
            if run.expired and header.get("errorMessage") == execution.CANCELLED:
                return execution.failure(self._expired(), console)
            return execution.answer(header, data, console)

    async def _run(self, run: Execution) -> tuple[dict[str, Any], bytes]:
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._config.run_seconds
        timer = loop.call_at(limit, self._expire, run)
        self._running = run
        try:
            return await self._shell.call(
                {"op": "execute", "maxBytes": self._config.result_max_bytes},
                run.body,
                deadline=limit + _HEED_SECONDS,
                expired=self._expired(),
            )
        finally:
            # From here on, with no turn of the loop since the answer, nothing interrupts the shell.
            self._running = None
            timer.cancel()

    def _expire(self, run: Execution) -> None:
        run.expired = True
        self.cancel()

    def _expired(self) -> str:
        return (
            f"The execution was stopped after {self._config.run_seconds:g} seconds, "
            "the longest that a call may run."
        )

    # Files of the working directory; reading needs no turn.

    async def list_files(self) -> list[str]:
        """The names of the files, sorted, `/` between folders."""
        return await asyncio.to_thread(session_files.list_files, self._shell.work)

    async def open_file(self, name: str) -> BinaryIO:
        """The file, open for reading; `FileUnknown` when there is none of that name."""
        return await asyncio.to_thread(session_files.open_file, self._shell.work, name)

    async def put_file(self, name: str, body: AsyncIterator[bytes]) -> None:
        """Stores the body under the name, which may have folders."""
        session_files.check_name(name)
        async with self._received(body) as path, self._turn():
            await asyncio.to_thread(
                session_files.place_file, self._shell.work, name, path, self._shell.uid
            )

    async def delete_file(self, name: str) -> None:
        """Removes the file; `FileUnknown` when there is none of that name."""
        async with self._turn():
            await asyncio.to_thread(session_files.delete_file, self._shell.work, name)

    # Objects of the workspace.

    async def list_objects(self) -> list[str]:
        """The names of the objects."""
        async with self._turn():
            return list((await self._call({"op": "list_objects"}))["objects"])

    async def put_object(self, name: str, body: AsyncIterator[bytes]) -> None:
        """Binds the object in the body; `ObjectInvalid` when the interpreter cannot read it."""
        async with self._received(body) as path, self._turn():
            given = self._handed_over(path)
            try:
                answer = await self._call({"op": "put_object", "name": name, "path": str(given)})
            finally:
                given.unlink(missing_ok=True)
        _check(answer, ObjectInvalid)

    async def get_object(self, name: str) -> Path:
        """A file with the object's bytes, the caller's to delete."""
        async with self._turn():
            path = self._new_name()
            answer = await self._call({"op": "get_object", "name": name, "path": str(path)})
            _check(answer, ObjectInvalid)
            return self._taken(path)

    async def delete_object(self, name: str) -> None:
        """Removes the object; `ObjectUnknown` when there is none."""
        async with self._turn():
            answer = await self._call({"op": "delete_object", "name": name})
        _check(answer, ObjectInvalid)

    # All of it as a zip.

    async def save_snapshot(self) -> Path:
        """A zip of all files, packages and objects, the caller's to delete."""
        async with self._turn():
            written, zipped = self._new_name(), self._scratch()
            _check(
                await self._call({"op": "save_workspace", "path": str(written)}), SnapshotInvalid
            )
            workspace = self._taken(written) if written.exists() else None  # without objects
            extra = {PACKAGES: self._packages}
            if workspace:
                extra[WORKSPACE_FILES[self._shell.runtime]] = workspace
            await asyncio.to_thread(archive.write, self._shell.work, zipped, extra)
            if workspace:
                workspace.unlink()
            return zipped

    async def load_snapshot(self, body: AsyncIterator[bytes]) -> None:
        """Merges what is in a zip; `SnapshotInvalid` when it cannot be used."""
        async with self._received(body) as zipped, self._turn():
            files = self._scratch()
            files.mkdir()
            try:
                await self._merge(zipped, files)
            finally:
                await asyncio.to_thread(shutil.rmtree, files, ignore_errors=True)

    async def _merge(self, zipped: Path, files: Path) -> None:
        max_bytes = self._config.extracted_max_bytes
        try:
            await asyncio.to_thread(archive.extract, zipped, files, max_bytes=max_bytes)
        except archive.ArchiveError as error:
            raise SnapshotInvalid(f"The snapshot is refused: {error}.") from None
        packages = files / PACKAGES
        if packages.is_dir():  # first: objects may need them
            await asyncio.to_thread(archive.merge, packages, self._packages, self._shell.uid)
            await asyncio.to_thread(shutil.rmtree, packages)
        workspace = files / WORKSPACE_FILES[self._shell.runtime]
        if workspace.exists():
            path = self._handed_over(workspace)
            try:
                header = {"op": "load_workspace", "path": str(path)}
                _check(await self._call(header), SnapshotInvalid)
            finally:
                path.unlink(missing_ok=True)
        await asyncio.to_thread(archive.merge, files, self._shell.work, self._shell.uid)

    # How they are made.

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._turns:
            if self._ended:
                raise SessionUnknown("The session was closed.")
            try:
                yield
            except ShellDied as death:
                self._end()
                raise SessionFailed(f"The session is lost. {death}") from None
            except FileNotFoundError:
                if self._ended:  # and its directories are gone
                    raise SessionUnknown("The session was closed.") from None
                raise

    async def _call(self, header: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        seconds = self._config.run_seconds
        try:
            answer, _ = await self._shell.call(
                header,
                deadline=loop.time() + seconds,
                expired=f"It did not finish within {seconds:g} seconds.",
            )
        except asyncio.CancelledError:
            # The answer of the call that was given up must not meet the next one.
            self._end()
            raise
        return answer

    def _end(self, reason: str = "") -> None:
        if not self._ended:
            self._ended = True
            self._shell.kill(reason)
            self._on_end()

    def _scratch(self) -> Path:
        """A new name where the shell does not reach it."""
        return self._staging / uuid.uuid4().hex

    def _new_name(self) -> Path:
        """A new name for a file that the shell is to write."""
        return self._exchange / uuid.uuid4().hex

    def _handed_over(self, path: Path) -> Path:
        """The file's new place, where the shell reads it."""
        target = self._new_name()
        hand_over(path, target, self._shell.uid)
        return target

    def _taken(self, path: Path) -> Path:
        """The new place of a file that the shell has written; `ObjectInvalid` if it did not."""
        target = self._scratch()
        with contextlib.suppress(FileNotFoundError):
            path.replace(target)
            if stat.S_ISREG(target.lstat().st_mode):
                return target
            target.unlink()
        raise ObjectInvalid("The interpreter did not write what was asked for.")

    @asynccontextmanager
    async def _received(self, body: AsyncIterator[bytes]) -> AsyncIterator[Path]:
        """The body in a file, for the time of the context. It takes no turn: the body may take its
        time, or never come to its end."""
        path = self._scratch()
        try:
            try:
                file = path.open("wb")
            except FileNotFoundError:
                if self._ended:  # and its directories are gone
                    raise SessionUnknown("The session was closed.") from None
                raise
            with file:
                async for chunk in body:
                    if self._ended:
                        raise SessionUnknown("The session was closed.")
                    file.write(chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)


def _check(answer: dict[str, Any], refusal: type[ObjectInvalid] | type[SnapshotInvalid]) -> None:
    if answer.get("ok"):
        return
    message = str(answer.get("message") or "The interpreter refused without saying why.")
    if answer.get("code") == "object-unknown":
        raise ObjectUnknown(message)
    raise refusal(message)


def _note_exception(task: "asyncio.Task[bytes]") -> None:
    if not task.cancelled():  # the caller may have gone; the loop is not to complain
        task.exception()
