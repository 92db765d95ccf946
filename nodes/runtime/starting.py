"""Starting shells: how each runtime gets a process, its directories, and its socket."""

import asyncio
import contextlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from .config import NodeConfig
from .console import Console
from .control_groups import ControlGroups
from .errors import ShellDied
from .homes import environment, make_home
from .processes import Children
from .shell import Shell
from .shells import LAUNCH
from .template import Template

_R_SHELL = str(Path(LAUNCH).with_name("r_shell.R"))
# R starts with less room than what it has loaded takes, and would collect garbage all the time.
_R_OPTIONS = ["--vanilla", "--min-nsize=600k"]
_SECRET_LINE_MAX_BYTES = 128

# Gives the node's end of the connection of a shell, and the bytes it has already received.
Connect = Callable[[Shell], Awaitable[tuple[socket.socket, bytes]]]


class Starter:
    """Starts the shells of one runtime on this node."""

    runtime: str
    _checks_children = False

    def __init__(
        self, config: NodeConfig, work_root: Path, children: Children, groups: ControlGroups
    ) -> None:
        self._config = config
        self._work_root = work_root
        self._children = children
        self._groups = groups

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

    def close(self) -> None:
        """Ends what shells are started from; they live on."""

    async def _launch(self, home: Path, group: Path | None, output: int) -> tuple[int, Connect]:
        """The pid of a new process that prints to the descriptor `output`, and how to connect."""
        raise NotImplementedError

    async def _start_process(self) -> tuple[Shell, Connect]:
        home = make_home(self._work_root)
        group = self._groups.make(home.name)
        reading, writing = os.pipe()
        console = Console(asyncio.get_running_loop(), reading, self._config.console_max_bytes)
        try:
            pid, connect = await self._launch(home, group, writing)
        except BaseException:
            console.close()
            self._groups.discard(group)
            shutil.rmtree(home, ignore_errors=True)
            raise
        finally:
            os.close(writing)
        shell = Shell(
            runtime=self.runtime,
            pid=pid,
            home=home,
            console=console,
            children=self._children,
            checks_children=self._checks_children,
            on_buried=lambda: self._groups.discard(group),
        )
        return shell, connect

    async def _greet(self, shell: Shell, connect: Connect) -> None:
        try:
            await shell.connect(*await connect(shell), self._config.result_max_bytes)
        except ShellDied as error:
            printed = shell.console.finish().strip()
            raise ShellDied(printed[-2000:] or str(error)) from None


class PythonStarter(Starter):
    """Python shells are forked from a template, with one end of a socket pair."""

    runtime = "Python"

    def __init__(
        self, config: NodeConfig, work_root: Path, children: Children, groups: ControlGroups
    ) -> None:
        super().__init__(config, work_root, children, groups)
        self._template = Template(config, work_root, children)

    def missing(self) -> str:
        """See `Starter.missing`."""
        if shutil.which(self._config.python) is None:
            return f"Python is not at {self._config.python} on this node."
        return ""

    def close(self) -> None:
        """See `Starter.close`."""
        self._template.close()

    async def _launch(self, home: Path, group: Path | None, output: int) -> tuple[int, Connect]:
        ours, theirs = socket.socketpair()
        try:
            pid = await self._template.fork(home, group, output, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

        async def connect(_: Shell) -> tuple[socket.socket, bytes]:
            return ours, b""

        return pid, connect


class RStarter(Starter):
    """R shells connect to a port of loopback and prove themselves with a secret from stdin."""

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

    async def _launch(self, home: Path, group: Path | None, output: int) -> tuple[int, Connect]:
        config = self._config
        secret = secrets.token_hex(32)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        listener.setblocking(False)
        try:
            process = self._children.spawn(
                [
                    *(config.python, "-I", "-B", LAUNCH, "exec", str(os.getpid())),
                    *(str(config.shell_memory_bytes), str(config.shell_file_bytes)),
                    str(group or ""),
                    *(config.rscript, *_R_OPTIONS, _R_SHELL),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=home / "work",
                env=environment(home),
            )
        except BaseException:
            listener.close()
            raise
        _write_and_close(process, f"{listener.getsockname()[1]}\n{secret}\n")

        async def connect(shell: Shell) -> tuple[socket.socket, bytes]:
            with listener:
                return await self._accept(listener, secret, shell)

        return process.pid, connect

    async def _accept(
        self, listener: socket.socket, secret: str, shell: Shell
    ) -> tuple[socket.socket, bytes]:
        connecting = asyncio.ensure_future(_accept_with_secret(listener, secret))
        ending = asyncio.ensure_future(shell.exited.wait())
        try:
            await asyncio.wait({connecting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                return connecting.result()
            raise ShellDied(shell.console.finish().strip()[-2000:] or "R ended at its start")
        finally:
            connecting.cancel()
            ending.cancel()


async def _accept_with_secret(listener: socket.socket, secret: str) -> tuple[socket.socket, bytes]:
    """The first connection that begins with the secret's line, and what came after that line."""
    loop = asyncio.get_running_loop()
    expected = secret.encode()
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while b"\n" not in received and len(received) < _SECRET_LINE_MAX_BYTES:
            data = await loop.sock_recv(sock, 4096)
            if not data:
                break
            received += data
        line, _, rest = received.partition(b"\n")
        if hmac.compare_digest(line, expected):
            return sock, rest
        sock.close()


def _write_and_close(process: "subprocess.Popen[bytes]", text: str) -> None:
    if process.stdin:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(text.encode())
