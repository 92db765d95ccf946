"""Programs on hosts: started, paused, killed and started again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.network import Host

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
STOP_SECONDS = 30


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once it is so; RuntimeError, which names it, when it takes longer."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not within {seconds:g} seconds: {what}")
        time.sleep(0.1)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without settings of the product, and `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return {**ours, **more}


@dataclass
class Program:
    """One process on a host; its output goes to a file, secrets only into its environment."""

    host: Host
    command: Sequence[str]
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    is_up: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.host.command(*self.command),
                cwd=ROOT,
                env=environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Returns when it is up."""

        def is_up_or_over() -> bool:
            return self._running().poll() is not None or self.is_up()

        wait_until(is_up_or_over, START_SECONDS, f"{self.host.name} answers\n{self.tail()}")
        if self._running().poll() is not None:
            raise RuntimeError(f"{self.host.name} ended:\n{self.tail()}")

    def kill(self) -> None:
        """As `kill -9` does."""
        self.signal(signal.SIGKILL)
        self._running().wait(STOP_SECONDS)

    def stop(self) -> None:
        """As an administrator does; returns when it has ended."""
        self.signal(self.stop_signal)
        self._running().wait(STOP_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running().send_signal(number)

    def tail(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self.process, f"{self.host.name} was never started"
        return self.process
