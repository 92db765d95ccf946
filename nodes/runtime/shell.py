"""One interpreter process: its request in flight, its console, its death."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from .channel import Channel, Frame
from .console import Console
from .errors import ShellDied, ShellUnreached
from .housing import Quarters
from .processes import (
    Children,
    cpu_seconds_of,
    descendants,
    is_childless,
    kill_tree,
    newest_pid,
    scan,
)

logger = logging.getLogger(__name__)

_EXIT_GRACE_SECONDS = 0.5
_CPU_LOOK_SECONDS = 1.0
_SIGNAL_NOTES = {
    signal.SIGKILL: " (the machine may have run out of memory)",
    signal.SIGSEGV: " (segmentation fault)",
    signal.SIGABRT: " (abort)",
    signal.SIGBUS: " (bus error)",
    signal.SIGFPE: " (arithmetic error)",
    signal.SIGILL: " (illegal instruction)",
}


class Shell:
    """The node's handle of a running interpreter.

    Whoever holds it calls `call`, then hands it back to its pool or to `kill`. After a call that
    did not end in an answer only `kill` is left.
    """

    def __init__(
        self,
        *,
        runtime: str,
        pid: int,
        quarters: Quarters,
        console: Console,
        children: Children,
        checks_children: bool,
        cpu_seconds: float,
        bury: Callable[[Quarters], Awaitable[None]],
    ) -> None:
        self.runtime = runtime
        self.pid = pid
        self.uid = quarters.uid
        self.home = quarters.home
        self.work = quarters.home / "work"
        self.version = ""
        self.bundle_id: str | None = None
        self.idle_since = 0.0
        self.call_started: float | None = None
        self.on_death: Callable[[Shell], None] | None = None
        self.on_loaded: Callable[[float, bool], None] | None = None
        self.console = console
        self._children = children
        self._checks_children = checks_children
        self._quarters = quarters
        self._cpu_seconds = cpu_seconds
        self._take_back = bury
        self._exit_code: int | None = None
        self._channel: Channel | None = None
        self._loop = asyncio.get_running_loop()
        self._reason = ""
        self._unread = False
        self.has_died = False  # by itself, or killed for what it did
        self._killing: asyncio.Task[None] | None = None
        self.exited = asyncio.Event()
        self._exit_handle = os.pidfd_open(pid)
        self._loop.add_reader(self._exit_handle, self._reap)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked something."""
        return self._killing is None and not self.exited.is_set()

    async def connect(self, sock: socket.socket, received: bytes, body_max_bytes: int) -> None:
        """Waits for the shell's `ready` on its socket."""
        self._channel = Channel(
            self._loop,
            sock,
            body_max_bytes=body_max_bytes,
            on_closed=self._channel_closed,
            received=received,
        )
        header, _ = await self._answer(self._channel.expect())
        if header.get("event") != "ready":
            raise ShellDied("the interpreter did not report ready")
        self.version = str(header.get("version", ""))

    async def call(
        self, header: dict[str, Any], body: bytes = b"", *, deadline: float, expired: str = ""
    ) -> Frame:
        """The shell's answer. `ShellUnreached` when it was dead before, `ShellDied` when it died,
        was killed, or did not answer until `deadline` (loop time; `expired` is its text then)."""
        channel = self._channel
        if channel is None or not self.alive:
            raise ShellUnreached("the shell had ended")
        pid_before = newest_pid()
        channel.send(header, body)
        self.call_started = self._loop.time()
        limit = _CallLimit(self, deadline, expired, self._cpu_seconds)
        try:
            answer, data = await self._answer(channel.expect())
        finally:
            limit.cancel()
            self.call_started = None
        if self._checks_children and newest_pid() != pid_before and self._has_children():
            answer.setdefault("retire", "")
            answer["retire"] = answer["retire"] or "child processes were left behind"
        return answer, data

    async def ping(self, seconds: float) -> bool:
        """Whether it answers within `seconds`; killed when not."""
        try:
            await self.call({"op": "ping"}, deadline=self._loop.time() + seconds)
        except ShellDied:
            return False
        return True

    def interrupt(self) -> None:
        """Sends what Ctrl-C in a terminal would: SIGINT to the shell and to what it has started."""
        if self.alive:  # and so not waited for: its id is not another's yet
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGINT)

    def condemn(self, reason: str) -> None:
        """Kills the shell for what it did."""
        self.has_died = True
        self.kill(reason)

    def kill(self, reason: str = "") -> None:
        """Kills the shell with all its processes and removes its directory, in the background."""
        if self._killing is None:
            self._reason = self._reason or reason
            self._killing = self._loop.create_task(self._bury())
            if self._channel:
                self._channel.close()

    async def gone(self) -> None:
        """Returns when the killed shell, its processes and its directory are no more."""
        if self._killing:
            await asyncio.shield(self._killing)

    async def _answer(self, future: "asyncio.Future[Frame]") -> Frame:
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() or self._task_is_cancelled():
                raise
        if not self._reason:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited.wait(), 2 * _EXIT_GRACE_SECONDS)
        if self._unread:
            raise ShellUnreached("the shell ended before it had read the request")
        raise ShellDied(self._reason or self._how_it_ended())

    @staticmethod
    def _task_is_cancelled() -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _channel_closed(self, reason: str, unread: bool) -> None:
        self._unread = unread
        self._reason = self._reason or reason
        if self._killing is None:
            self.has_died = True
            self._killing = self._loop.create_task(self._bury())
        if self.on_death:
            self.on_death(self)

    def _reap(self) -> None:
        self._loop.remove_reader(self._exit_handle)
        os.close(self._exit_handle)
        self._exit_code = self._children.reap(self.pid)
        self.exited.set()
        if self._channel:
            self._channel.close()

    def _how_it_ended(self) -> str:
        code = self._exit_code
        if code is None:
            return "The interpreter closed its connection to the node."
        if code < 0:
            with contextlib.suppress(ValueError):
                number = signal.Signals(-code)
                note = _SIGNAL_NOTES.get(number, "")
                return f"The interpreter was killed by {number.name}{note} before it answered."
        return f"The interpreter ended with exit code {code} before it answered."

    async def _bury(self) -> None:
        if not self._reason and not self.exited.is_set():
            # An interpreter that is ending by itself tells its exit code if it is let.
            try:
                await asyncio.wait_for(self.exited.wait(), _EXIT_GRACE_SECONDS)
            except TimeoutError:
                self._reason = "The interpreter closed its connection to the node."
        await asyncio.to_thread(kill_tree, self.pid)
        await self.exited.wait()
        await asyncio.to_thread(self._children.sweep)
        self.console.close()
        await self._take_back(self._quarters)

    def _has_children(self) -> bool:
        # Shells inherit the children of what they started, so none is left when they have none.
        if is_childless(self.pid):
            return False
        return any(process.state != "Z" for process in descendants(scan(), self.pid))


class _CallLimit:
    """The time that a call may take: on the clock, and of processors.

    The latter is looked at each second, from the first on: what a short call takes is not asked.
    """

    def __init__(self, shell: Shell, deadline: float, expired: str, cpu_seconds: float) -> None:
        self._shell = shell
        self._deadline = deadline
        self._expired = expired
        self._cpu_seconds = cpu_seconds
        self._cpu_before: float | None = None
        self._loop = asyncio.get_running_loop()
        self._arm()

    def cancel(self) -> None:
        """The call has ended."""
        self._timer.cancel()

    def _arm(self) -> None:
        self._timer = self._loop.call_at(
            min(self._deadline, self._loop.time() + _CPU_LOOK_SECONDS), self._look
        )

    def _look(self) -> None:
        if self._loop.time() >= self._deadline:
            self._shell.condemn(self._expired or "the shell did not answer")
            return
        spent = cpu_seconds_of(self._shell.pid)
        if self._cpu_before is None:
            self._cpu_before = spent
        if spent - self._cpu_before > self._cpu_seconds:
            self._shell.condemn(
                f"The call was stopped: it took more than {self._cpu_seconds:g} seconds of "
                "processor time, the most that a call may take."
            )
            return
        self._arm()
