"""The node's end of its guardian process (guardian.py)."""

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import guardian
from .config import NodeConfig
from .processes import Children

logger = logging.getLogger(__name__)

_END_SECONDS = 10.0
_RESTART_SECONDS = 0.5
_READ_BYTES = 65536


class Guardian:
    """Keeps a guardian running, hands on what it reports, and ends it: its signal to clean."""

    def __init__(
        self,
        config: NodeConfig,
        run_dir: Path,
        children: Children,
        on_report: Callable[[str, str], None],
    ) -> None:
        self._on_report = on_report
        self._children = children
        self._command = [
            *(config.python, "-I", "-S", "-B", guardian.__file__),
            *(str(os.getpid()), str(run_dir)),
            *(str(config.shell_max_processes), str(config.shell_memory_bytes)),
            str(config.shell_disk_bytes),
        ]
        self._loop = asyncio.get_running_loop()
        self._restart: asyncio.TimerHandle | None = None
        self._start()

    async def stop(self) -> None:
        """Returns when the guardian has cleaned and ended."""
        if self._restart:
            self._restart.cancel()
        self._hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _END_SECONDS)

    def _start(self) -> None:
        self._rest = b""
        self._process = self._children.spawn(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.defpath},
        )
        self._reports = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self._reports, False)
        self._loop.add_reader(self._reports, self._read)

    def _hang_up(self) -> None:
        self._loop.remove_reader(self._reports)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _read(self) -> None:
        data = os.read(self._reports, _READ_BYTES)
        if not data:
            logger.error("The guardian has ended; another one takes its place")
            self._hang_up()
            self._children.reap(self._process.pid)
            self._restart = self._loop.call_later(_RESTART_SECONDS, self._start)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            who, _, reason = line.decode().partition(" ")
            self._on_report(who, reason)
