"""SIGINT in a Python shell: it stops the user's code while that runs, and nothing else."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Interrupts:
    """The handler of the signal; one per process.

    An interrupt that comes before the code it is meant for has begun is kept for it. One that
    comes too late is forgotten with the next answer: the node asks for one more answer after a run
    that it has interrupted (session.py), so none is left for the next run.
    """

    def __init__(self) -> None:
        self.stopped = False  # whether the last `run` was told to stop
        self._running = False
        self._pending = False
        self._install()

    def run(self, function: Callable[[], T]) -> T:
        """Calls the function; an interrupt raises KeyboardInterrupt in it."""
        self._install()  # user code may have put another handler there
        self.stopped = False
        self._running = True
        try:
            if self._pending:
                self._handle(signal.SIGINT, None)
            return function()
        finally:
            self._running = False

    def forget(self) -> None:
        """Drops what came too late."""
        self._pending = False

    def _install(self) -> None:
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, _: int, __: FrameType | None) -> None:
        self._pending = not self._running
        if self._running:
            self.stopped = True
            raise KeyboardInterrupt
