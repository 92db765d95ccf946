"""Starting shells: the command of each runtime, a scrubbed environment, a connected socket."""

import asyncio
import contextlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from .config import NodeConfig
from .console import Console
from .control_groups import ControlGroups
from .errors import ShellDied
from .processes import Children
from .shell import Shell

_SHELLS_DIR = Path(__file__).parent / "shells"
_SECRET_LINE_MAX_BYTES = 128
_ONE_THREAD = dict.fromkeys(
    [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ],
    "1",
)


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
        home = self._work_root / uuid.uuid4().hex
        for name in ("work", "tmp", "home"):
            (home / name).mkdir(mode=0o700, parents=True)
        try:
            async with asyncio.timeout(self._config.shell_start_seconds):
                return await self._start_in(home)
        except TimeoutError:
            seconds = self._config.shell_start_seconds
            raise ShellDied(f"the interpreter was not ready after {seconds:g} seconds") from None
        finally:
            if not any(home.glob("*")):  # nothing was started in it
                shutil.rmtree(home, ignore_errors=True)

    async def _start_in(self, home: Path) -> Shell:
        raise NotImplementedError

    def _launch(
        self, home: Path, arguments: list[str], *, stdin: int, pass_fds: tuple[int, ...] = ()
    ) -> tuple[Shell, "subprocess.Popen[bytes]"]:
        config = self._config
        group = self._groups.make(home.name)
        reading, writing = os.pipe()
        try:
            process = self._children.spawn(
                [
                    *(config.python, "-I", "-B", str(_SHELLS_DIR / "launch.py")),
                    *(str(os.getpid()), str(config.shell_memory_bytes), str(group or "")),
                    *arguments,
                ],
                stdin=stdin,
                stdout=writing,
                stderr=writing,
                pass_fds=pass_fds,
                cwd=home / "work",
                env=_environment(home),
            )
        except OSError:
            os.close(reading)
            self._groups.discard(group)
            raise
        finally:
            os.close(writing)
        console = Console(asyncio.get_running_loop(), reading, config.console_max_bytes)
        shell = Shell(
            runtime=self.runtime,
            process=process,
            home=home,
            console=console,
            children=self._children,
            checks_children=self._checks_children,
            on_buried=lambda: self._groups.discard(group),
        )
        return shell, process

    async def _greet(self, shell: Shell, sock: socket.socket, received: bytes = b"") -> Shell:
        try:
            await shell.connect(sock, received, self._config.result_max_bytes)
        except ShellDied as error:
            printed = shell.console.finish().strip()
            raise ShellDied(printed[-2000:] or str(error)) from None
        return shell


class PythonStarter(Starter):
    """Python shells speak over a socket pair whose number they are told."""

    runtime = "Python"

    def missing(self) -> str:
        """See `Starter.missing`."""
        if shutil.which(self._config.python) is None:
            return f"Python is not at {self._config.python} on this node."
        return ""

    async def _start_in(self, home: Path) -> Shell:
        ours, theirs = socket.socketpair()
        try:
            shell, _ = self._launch(
                home,
                ["python", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            return await self._greet(shell, ours)
        except BaseException:
            shell.kill("the interpreter did not start")
            raise


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

    async def _start_in(self, home: Path) -> Shell:
        secret = secrets.token_hex(32)
        with socket.create_server(("127.0.0.1", 0), backlog=4) as listener:
            listener.setblocking(False)
            shell, process = self._launch(
                home,
                [
                    *("exec", self._config.rscript, "--vanilla"),
                    str(_SHELLS_DIR / "r_shell.R"),
                ],
                stdin=subprocess.PIPE,
            )
            try:
                _write_and_close(process, f"{listener.getsockname()[1]}\n{secret}\n")
                sock, received = await self._accept(listener, secret, shell)
                return await self._greet(shell, sock, received)
            except BaseException:
                shell.kill("the interpreter did not start")
                raise

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


def _environment(home: Path) -> dict[str, str]:
    """All that a shell knows of the node's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    language = os.environ.get("LANG", "")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": language if "utf" in language.lower() else "C.UTF-8",
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "MPLBACKEND": "Agg",
        **_ONE_THREAD,
        **kept,
    }
