"""Which files of a directory a run has created or modified."""

import os
import stat
import time
from pathlib import Path

from .directory import walk

Mark = tuple[int, ...]
_COARSE_CLOCK = 5  # CLOCK_REALTIME_COARSE, by which file systems date
_TICK_SECONDS = 0.02  # longer than it stands still


class Changes:
    """A picture of the plain files below `root`, to be compared with what is there later."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before = _marks(root)
        self._wait_for_tick()

    def names(self) -> list[str]:
        """The files created or modified since, relative, sorted."""
        now = _marks(self._root).items()
        return sorted(name for name, mark in now if self._before.get(name) != mark)

    def _wait_for_tick(self) -> None:
        # Time stamps advance in steps: a file that changes within the step of its last change
        # would look unchanged.
        newest = max((mark[-1] for mark in self._before.values()), default=0)
        until = time.monotonic() + _TICK_SECONDS
        while newest >= time.clock_gettime_ns(_COARSE_CLOCK):
            if time.monotonic() > until:  # a time in the future says nothing
                return
            time.sleep(0.001)


def _marks(root: Path) -> dict[str, Mark]:
    return {name: _mark(status) for name, status in walk(root) if stat.S_ISREG(status.st_mode)}


def _mark(status: os.stat_result) -> Mark:
    # The time of the last change of status too: no program can set it back.
    return (
        status.st_mode,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
