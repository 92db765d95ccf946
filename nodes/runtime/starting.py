"""Starting shells: how each runtime gets a process, its quarters, and its socket."""

import asyncio
import contextlib
import hmac
import os
import secrets
import shutil
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from .config import NodeConfig
from .console import Console
from .errors import ShellDied
from .housing import Housing, Quarters
from .processes import Children
from .shell import Shell
from .shells import LAUNCH
from .template import Template

_R_SHELL = str(Path(LAUNCH).with_name("r_shell.R"))
# R starts with less room than what it has loaded takes, and would collect garbage all the time.
_R_OPTIONS = ["--vanilla", "--min-nsize=600k"]
_SECRET_LINE_MAX_BYTES = 128
_SECRET_SECONDS = 1.0  # R sends it as soon as it has connected

# Gives the node's end of the connection of a shell, and the bytes it has already received.
Connect = Callable[[Shell], Awaitable[tuple[socket.socket, bytes]]]


class Starter:
    """Starts the shells of one runtime on this node."""

    runtime: str
    _checks_children = False

    def __init__(
        self, config: NodeConfig, housing: Housing, template: Template, children: Children
    ) -> None:
        self._config = config
        self._housing = housing
        self._template = template
        self._children = children

    def missing(self) -> str:
        """Why no shell of this runtime can be started here; empty when one can."""
        raise NotImplementedError

    async def start(self) -> Shell:
        """A new blank shell that has reported ready; `ShellDied` with what it printed if not."""
        seconds = self._config.shell_start_seconds
        try:
            async with asyncio.timeout(seconds):
                shell, connect = await self._start_process()
                try:
                    await self._greet(shell, connect)
                except BaseException:
                    shell.kill("the interpreter did not start")
                    raise
                return shell
        except TimeoutError:
            raise ShellDied(f"the interpreter was not ready after {seconds:g} seconds") from None

    async def _launch(self, quarters: Quarters, output: int) -> tuple[int, Connect]:
        """The pid of a new process that prints to the descriptor `output`, and how to connect."""
        raise NotImplementedError

    async def _start_process(self) -> tuple[Shell, Connect]:
        quarters = await self._housing.give()
        reading, writing = os.pipe()
        console = Console(asyncio.get_running_loop(), reading, self._config.console_max_bytes)
        try:
            pid, connect = await self._launch(quarters, writing)
        except BaseException:
            console.close()
            await self._housing.take_back(quarters)
            raise
        finally:
            os.close(writing)
        shell = Shell(
            runtime=self.runtime,
            pid=pid,
            quarters=quarters,
            console=console,
            children=self._children,
            checks_children=self._checks_children,
            cpu_seconds=self._config.shell_cpu_seconds,
            bury=self._housing.take_back,
        )
        return shell, connect

    async def _greet(self, shell: Shell, connect: Connect) -> None:
        try:
            await shell.connect(*await connect(shell), self._config.result_max_bytes)
        except ShellDied as error:
            printed = shell.console.finish().strip()
            raise ShellDied(printed[-2000:] or str(error)) from None


class PythonStarter(Starter):
    """Python shells have one end of a socket pair."""

    runtime = "Python"

    def missing(self) -> str:
        """See `Starter.missing`."""
        if shutil.which(self._config.python) is None:
            return f"Python is not at {self._config.python} on this node."
        return ""

    async def _launch(self, quarters: Quarters, output: int) -> tuple[int, Connect]:
        ours, theirs = socket.socketpair()
        try:
            pid = await self._template.fork(quarters, output, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

        async def connect(_: Shell) -> tuple[socket.socket, bytes]:
            return ours, b""

        return pid, connect


class RStarter(Starter):
    """R shells connect to a port of loopback, be it the sandbox's own, and prove themselves with a
    secret from stdin."""

    runtime = "R"
    _checks_children = True  # R itself cannot tell whether a process was left behind

    def missing(self) -> str:
        """See `Starter.missing`."""
        if shutil.which(self._config.rscript) is None:
            return (
                f"R is not installed on this node ({self._config.rscript} was not found). "
                "Install it with: apt-get install r-base-core r-cran-jsonlite"
            )
        return ""

    async def _launch(self, quarters: Quarters, output: int) -> tuple[int, Connect]:
        secret = secrets.token_hex(32)
        command = [self._config.rscript, *_R_OPTIONS, _R_SHELL]
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            pid = await self._template.fork(
                quarters, output, theirs, command=command, secret=secret
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

        async def connect(shell: Shell) -> tuple[socket.socket, bytes]:
            with ours:
                return await self._first_of(_accept(ours, secret), shell)

        return pid, connect

    async def _first_of(
        self, accepting: Coroutine[Any, Any, tuple[socket.socket, bytes]], shell: Shell
    ) -> tuple[socket.socket, bytes]:
        """What is accepted, unless the shell ends before: `ShellDied`."""
        connecting = asyncio.ensure_future(accepting)
        ending = asyncio.ensure_future(shell.exited.wait())
        try:
            await asyncio.wait({connecting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                return connecting.result()
            raise ShellDied(shell.console.finish().strip()[-2000:] or "R ended at its start")
        finally:
            connecting.cancel()
            ending.cancel()


async def _accept(line: socket.socket, secret: str) -> tuple[socket.socket, bytes]:
    """R's connection to the listening socket that the line brings; no other is taken after it."""
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(line, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(line)
    _, descriptors, _, _ = socket.recv_fds(line, 16, 1)
    if not descriptors:
        raise ShellDied("R ended at its start")
    with socket.socket(fileno=descriptors[0]) as listener:
        listener.setblocking(False)
        return await _accept_with_secret(listener, secret)


async def _accept_with_secret(listener: socket.socket, secret: str) -> tuple[socket.socket, bytes]:
    """The first connection that begins with the secret's line, and what came after that line."""
    loop = asyncio.get_running_loop()
    expected = secret.encode()
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        # A stranger that says nothing, or breaks off, must not keep the shell from its node.
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_SECRET_SECONDS):
                while b"\n" not in received and len(received) < _SECRET_LINE_MAX_BYTES:
                    data = await loop.sock_recv(sock, 4096)
                    if not data:
                        break
                    received += data
        line, _, rest = received.partition(b"\n")
        if hmac.compare_digest(line, expected):
            return sock, rest
        sock.close()
