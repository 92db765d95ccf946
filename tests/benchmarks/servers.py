"""Servers as processes of their own: started, found ready, ended with all they have started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from nodes.runtime.processes import descendants, kill_tree, scan, send_signal
from tests.benchmarks.usage import is_running

START_SECONDS = 300
STOP_SECONDS = 60
# One thread for each process: there are as many processes as cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class StartError(Exception):
    """A server does not start; the text says why."""


@dataclass
class Server:
    """One process with what it starts; its output goes to a file."""

    name: str
    command: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=environment(**self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Returns when it is ready; StartError when it ends before or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if not is_running(self.pid) or time.monotonic() > deadline:
                raise StartError(f"{self.name} did not start:\n{self.output()[-2000:]}")
            time.sleep(0.1)

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @contextlib.contextmanager
    def stopped_on_failure(self) -> Iterator[None]:
        """A start that fails leaves nothing behind."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Nothing of it is left."""
        if self.process is None:
            return
        started = descendants(scan(), self.pid)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill_tree(self.pid)
            self.process.wait(STOP_SECONDS)
        for process in started:  # LitServe leaves its workers behind
            send_signal(process, signal.SIGKILL)


def environment(**more: str) -> dict[str, str]:
    """Ours without settings of the product, one thread for each process, and `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return {**ours, **ONE_THREAD, **more}


def answers(url: str) -> bool:
    """Whether there is an answer, whatever it says."""
    try:
        httpx.get(url, timeout=60)
    except httpx.TransportError:
        return False
    return True
