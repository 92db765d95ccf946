"""Where the time of one scoring call goes on this node: measured only for the caller who asks.

The web node asks with the header `X-Laps`; the answer has one of the same name, a JSON object:
`seconds` is how long the node had the call, `laps` what that was spent on, each with its name, its
start since the call came and its length in seconds.
"""

import json
import logging
import time
from contextvars import ContextVar

HEADER = b"x-laps"

TRACE = b"trace"  # the header's value that has the call noted in this node's log as well

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # somebody has asked for each line

SHELL = "shell"  # waiting for a shell, or for a thread
LOAD = "load"  # having the bundle loaded into it
RUN = "run"  # in the interpreter, with the way there and back


class Laps:
    """The laps of one call, which begins now."""

    __slots__ = ("_began", "_laps", "_last", "correlation_id", "is_traced")

    def __init__(self, *, is_traced: bool = False) -> None:
        self.is_traced = is_traced
        self.correlation_id = ""
        self._began = self._last = time.perf_counter()
        self._laps: list[tuple[str, float, float]] = []

    def lap(self, name: str, *, until: float | None = None) -> None:
        """What went on since the last lap was `name`; "" for what is not told of.

        It ended `until`, or now; a time before the last lap counts as none at all.
        """
        now = time.perf_counter() if until is None else max(until, self._last)
        if name:
            self._laps.append((name, self._last - self._began, now - self._last))
        self._last = now

    def waited(self, seconds: float) -> None:
        """Since the last lap it was waited so long, and the rest is the run."""
        self.lap(SHELL, until=min(self._last + seconds, time.perf_counter()))
        self.lap(RUN)

    def report(self) -> bytes:
        """The answer's header."""
        laps = [[name, round(start, 7), round(length, 7)] for name, start, length in self._laps]
        seconds = round(time.perf_counter() - self._began, 7)
        return json.dumps({"seconds": seconds, "laps": laps}, separators=(",", ":")).encode()


def note_traced(correlation_id: str, call: str, report: bytes = b"") -> None:
    """A line in this node's log, for who traces the call by its id."""
    _log.info("Call %s is traced: %s %s", correlation_id, call, report.decode())


_current: ContextVar[Laps | None] = ContextVar("laps", default=None)
current = _current.get  # the laps of the call that is being served; None unless somebody asks
begin = _current.set
