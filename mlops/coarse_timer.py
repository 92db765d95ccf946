"""Timers for what nearly always ends long before its time: cheap to set and to take off.

The event loop's own cost as much as a tenth of everything that a web node does for a small call.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from weakref import WeakKeyDictionary


class CoarseTimer:
    """Calls back after `seconds`, or somewhat later; one event loop's, all set share one timer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._numbers = count()
        self._set: dict[int, tuple[float, Callable[[], None]]] = {}  # the first is due first
        self._is_ticking = False

    def start(self, callback: Callable[[], None]) -> int:
        """A number by which `cancel` takes it off again."""
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        self._set[number] = loop.time() + self._seconds, callback
        if not self._is_ticking:
            self._is_ticking = True
            loop.call_later(self._seconds, self._tick)
        return number

    def cancel(self, number: int) -> None:
        """Take it off, if it has not called back."""
        self._set.pop(number, None)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = []
        for number, (time, callback) in self._set.items():
            if time > now:
                break
            due.append((number, callback))
        try:
            for number, callback in due:
                if self._set.pop(number, None):  # not taken off by the one before
                    callback()
        finally:  # what one of them raises is the loop's to report, and must not stop the others
            self._is_ticking = bool(self._set)
            if self._is_ticking:
                first, _ = next(iter(self._set.values()))
                loop.call_at(first, self._tick)


_timers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, CoarseTimer]]
_timers = WeakKeyDictionary()


def coarse_timer(seconds: float) -> CoarseTimer:
    """The running event loop's timer for this span; there are few different ones."""
    loop = asyncio.get_running_loop()
    timers = _timers.get(loop)
    if timers is None:
        timers = _timers[loop] = {}
    timer = timers.get(seconds)
    if timer is None:
        timer = timers[seconds] = CoarseTimer(seconds)
    return timer
