"""The node's end of the process that shells are forked from (shells/template.py)."""

import asyncio
import json
import logging
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .config import NodeConfig
from .console import Console
from .errors import ShellDied
from .homes import environment, make_home, remove_home
from .housing import Quarters
from .processes import Children
from .shells import LAUNCH

logger = logging.getLogger(__name__)

_MESSAGE_MAX_BYTES = 4096
_PRINTED_MAX_BYTES = 65536
# Threads count as processes do, and numeric libraries like to have some.
_TASKS_PER_PROCESS = 4


class Template:
    """Forks shells. Its process is started for the first of them, and anew when it has died."""

    def __init__(self, config: NodeConfig, work_root: Path, children: Children) -> None:
        self._config = config
        self._work_root = work_root
        self._children = children
        self._asking = asyncio.Lock()
        self._process: _Process | None = None

    async def fork(
        self,
        quarters: Quarters,
        output: int,
        connection: socket.socket,
        *,
        command: Sequence[str] = (),
        secret: str = "",
    ) -> int:
        """The pid of a new shell, a child of this node, that prints to the descriptor `output` and
        serves `connection`. `ShellDied` with the reason when there can be none.

        It is a Python shell or else executes the command, which connects to a socket of its own
        with the secret: then `connection` brings the listening socket.
        """
        config = self._config
        request = {
            "work": str(quarters.home / "work"),
            "environment": environment(quarters.home),
            "group": str(quarters.group or ""),
            "uid": quarters.uid,
            "network": config.shell_network,
            "memory": config.shell_memory_bytes,
            "files": config.shell_file_bytes,
            "tasks": None
            if quarters.uid is None
            else config.shell_max_processes * _TASKS_PER_PROCESS,
            "command": [*command],
            "secret": secret,
        }
        descriptors = [output, connection.fileno()]
        if quarters.sandbox:
            descriptors.append(quarters.sandbox.first)
        async with self._asking:
            if self._process and self._process.has_ended():
                logger.warning("The process that shells are forked from has died")
                self.close()
            try:
                if self._process is None:
                    self._process = _Process(config, self._work_root, self._children)
                    await self._process.ready()
                return await self._process.fork(request, descriptors)
            except BaseException:  # half an exchange: the next would be misunderstood
                self.close()
                raise

    def close(self) -> None:
        """Ends the process; shells live on."""
        if self._process:
            self._process.close()
            self._process = None


class _Process:
    """One such process, and the messages with it."""

    def __init__(self, config: NodeConfig, work_root: Path, children: Children) -> None:
        self._children = children
        self._home = make_home(work_root)
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        reading, writing = os.pipe()
        self._console = Console(self._loop, reading, _PRINTED_MAX_BYTES)
        try:
            self._process = children.spawn(
                [
                    *(config.python, "-I", "-B", LAUNCH),
                    *(str(os.getpid()), str(theirs.fileno())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=(theirs.fileno(),),
                cwd=self._home / "work",
                env=environment(self._home),
            )
        except OSError:
            self._release()
            raise
        finally:
            theirs.close()
            os.close(writing)

    async def ready(self) -> None:
        """Returns when it can fork."""
        await self._receive()

    async def fork(self, request: dict[str, Any], descriptors: Sequence[int]) -> int:
        """See `Template.fork`."""
        message = json.dumps(request).encode()
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            raise ShellDied(f"the shell could not be forked: {error.strerror}") from None
        pid: int = (await self._receive())["pid"]
        # Noted before it becomes this node's child: else it would be taken for an orphan.
        self._children.adopt(pid)
        try:
            await self._loop.sock_sendall(self._control, b"{}")
            await self._receive()
        except BaseException:
            self._children.forget(pid)
            raise
        return pid

    def has_ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def close(self) -> None:
        """Kills the process and removes what it had."""
        self._process.kill()
        self._children.reap(self._process.pid)
        self._release()

    def _release(self) -> None:
        self._control.close()
        self._console.close()
        remove_home(self._home)

    async def _receive(self) -> dict[str, Any]:
        """The next message. `ShellDied` when it tells of an error, or when there is none."""
        try:
            data = await self._loop.sock_recv(self._control, _MESSAGE_MAX_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            await asyncio.to_thread(self._process.wait)
            printed = self._console.finish().strip()
            code = self._process.returncode
            raise ShellDied(printed[-2000:] or f"Python ended at its start with exit code {code}")
        message: dict[str, Any] = json.loads(data)
        if "error" in message:
            raise ShellDied(f"the shell could not be forked: {message['error']}")
        return message
