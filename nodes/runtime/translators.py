"""Processes that turn bodies from one format into another (shells/translation.py).

They are blank Python shells that never get a bundle: started as such, bounded as such, and replaced
when they die.
"""

import asyncio
import os
from typing import Any

from .channel import Frame
from .config import NodeConfig
from .errors import Busy, CutOff, InvalidInput, RunFailed, ShellDied, ShellUnreached, TooLarge
from .pieces import LARGE_BYTES
from .shell import Shell
from .starting import Starter

# Larger ones would keep the event loop, or all threads, from everybody else for too long.
INLINE_PARSE_BYTES = 64 * 1024

Parameters = tuple[tuple[str, str], ...]

# One that has had this much to do holds on to more memory than its next start takes time.
_SPENT_BYTES = 16 * 1024**2


class Translators:
    """Each is started when there is something to do for it. At most as many as there are processors
    work on large bodies, and as many on others, which are not to wait for those."""

    def __init__(self, starter: Starter, config: NodeConfig) -> None:
        self._starter = starter
        n_processors = len(os.sched_getaffinity(0))
        self._turns = [asyncio.Semaphore(n_processors) for _ in ("small", "large")]
        self._idle: list[Shell] = []
        self._starting: set[asyncio.Task[Shell]] = set()
        self._most_waiting = config.queue_length
        self._n_waiting = 0
        self._seconds = config.run_seconds
        self._expired = f"The body could not be read within {config.run_seconds:g} seconds."

    def stop(self) -> list[Shell]:
        """Kills those that are idle; they are to be waited for."""
        for start in self._starting:
            start.cancel()
        for shell in self._idle:
            shell.kill()
        return self._idle

    async def for_r(self, body: bytes, form: str, inputs: Parameters) -> tuple[bytes, bool]:
        """The body as R reads inputs, and whether some are mixed; `InvalidInput`, `TooLarge`."""
        request = {"to": "r", "request": form, "inputs": inputs}
        header, data = await self._translate(request, body)
        return data, header["mixed"]

    async def columns(self, body: bytes, form: str) -> bytes | None:
        """The body of a realtime call as packed columns; None when it is no frame as it should be.
        `InvalidInput`, `TooLarge`."""
        header, data = await self._translate({"to": "columns", "request": form}, body)
        return data if header["ok"] else None

    async def answer(self, packed: bytes, form: str) -> bytes:
        """Packed columns as the body of an answer; `RunFailed` when the format cannot hold them,
        `CutOff` when too many wait: the call was run, and is not to be repeated elsewhere."""
        try:
            _, data = await self._translate({"to": form}, packed)
        except Busy:
            raise CutOff("The call was run, but too many answers wait to be written.") from None
        return data

    async def _translate(self, request: dict[str, Any], body: bytes) -> Frame:
        if self._n_waiting >= self._most_waiting:
            raise Busy("Too many bodies wait to be read on this node already.")
        self._n_waiting += 1
        try:
            async with self._turns[len(body) > LARGE_BYTES]:
                header, data = await self._ask({"op": "translate", **request}, body)
        except ShellDied as death:
            raise InvalidInput(f"The body could not be read: {death}") from None
        finally:
            self._n_waiting -= 1
        match header.get("kind"):
            case "invalid":
                raise InvalidInput(header["message"], fields=header["field"])
            case "unwritable":
                raise RunFailed(f"The output cannot be represented: {header['message']}.")
            case "too-large":
                raise TooLarge("The body needs more memory than a shell of this node may have.")
        return header, data

    async def _ask(self, request: dict[str, Any], body: bytes) -> Frame:
        while True:
            shell = self._idle.pop() if self._idle else await self._started()
            is_kept = False
            try:
                deadline = asyncio.get_running_loop().time() + self._seconds
                answer = await shell.call(request, body, deadline=deadline, expired=self._expired)
                is_kept = len(body) + len(answer[1]) < _SPENT_BYTES
                return answer
            except ShellUnreached:
                continue  # it had died while nobody needed it
            finally:
                if is_kept:
                    self._idle.append(shell)
                else:
                    shell.kill()

    async def _started(self) -> Shell:
        """A new one. It is started to the end even if its caller leaves meanwhile: a start that is
        broken off takes along what all Python shells are forked from."""
        start = asyncio.create_task(self._starter.start())
        self._starting.add(start)
        start.add_done_callback(self._starting.discard)
        try:
            return await asyncio.shield(start)
        except asyncio.CancelledError:
            start.add_done_callback(self._keep)
            raise

    def _keep(self, start: "asyncio.Task[Shell]") -> None:
        """Have a shell for the next caller that was started for one who has left."""
        if not start.cancelled() and start.exception() is None:
            self._idle.append(start.result())
