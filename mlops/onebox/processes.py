"""Processes of the box: each dies with it, and so does all that it started."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlops.onebox.parent import die_with_parent
from nodes.runtime.processes import Children, Process, kill_tree, scan, send_signal

READ_BYTES = 64 * 1024
LAST_WORDS_SECONDS = 2.0
LEFTOVERS_SECONDS = 10.0
LOOK_SECONDS = 0.05


class BoxProcess:
    """One run of `command`; what it prints goes to `output` in pieces of any length.

    To be made on the event loop of the main thread, with which the process dies.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        children: Children,
        environment: Mapping[str, str],
        output: Callable[[bytes], None],
    ) -> None:
        self._children = children
        self._output = output
        self._process = children.spawn(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self._ended = asyncio.ensure_future(_end_of(self._process.pid))
        self._copying = asyncio.ensure_future(self._copy_output())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ended_within(self, seconds: float) -> bool:
        """Whether it has ended, waiting for that for at most `seconds`."""
        await asyncio.wait([self._ended], timeout=seconds)
        return self._ended.done()

    def ask_to_end(self) -> None:
        """SIGTERM to it alone; it tells its own processes."""
        if not self._ended.done():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and all below it at once, whatever they are doing."""
        kill_tree(self._process.pid)

    async def reap(self) -> int:
        """Its exit status, negative for a signal; nothing that it started is left then."""
        await asyncio.shield(self._ended)
        status = self._children.reap(self._process.pid)
        self._children.sweep()
        await asyncio.wait([self._copying], timeout=LAST_WORDS_SECONDS)
        return status

    async def _copy_output(self) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        with contextlib.closing(transport):
            while text := await reader.read(READ_BYTES):
                with contextlib.suppress(OSError):  # a full disk must not stop the program
                    self._output(text)


async def _end_of(pid: int) -> None:
    """Returns when the child `pid` has ended; it is left to be waited for."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(pid)
    try:
        loop.add_reader(handle, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def kill_leftovers(mark: str) -> None:
    """Ends what a box that was killed has left: every process with `mark` in its environment.

    Returns when they are gone, so that their ports are free, or do not go for some seconds.
    """
    deadline = time.monotonic() + LEFTOVERS_SECONDS
    while leftovers := _marked(mark):
        for process in leftovers:
            send_signal(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(LOOK_SECONDS)


def _marked(mark: str) -> list[Process]:
    found = []
    for process in scan().values():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        except OSError:
            continue  # gone, or somebody else's
        if process.pid != os.getpid() and mark.encode() in environment.split(b"\0"):
            found.append(process)
    return found
