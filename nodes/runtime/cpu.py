"""Whether the machine has a processor to spare."""

import functools
import os
import time

_WINDOW_SECONDS = 0.04
_OLD_SECONDS = 1.0
_IDLE_SHARE = 0.15


@functools.cache
def idle_meter() -> "IdleMeter":
    """The one of this process."""
    return IdleMeter()


class IdleMeter:
    """The share of idle processor time between one look and the next."""

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        self._taken_at = time.monotonic()
        self._idle, self._total = self._read()
        self._answer = False

    def has_idle_processor(self) -> bool:
        """Whether a good part of processor time went unused lately."""
        now = time.monotonic()
        age = now - self._taken_at
        if age > _WINDOW_SECONDS:
            idle, total = self._read()
            spent = total - self._total
            recent = age < _OLD_SECONDS  # else it tells of a quiet time that is over
            self._answer = recent and spent > 0 and (idle - self._idle) / spent > _IDLE_SHARE
            self._idle, self._total, self._taken_at = idle, total, now
        return self._answer

    def _read(self) -> tuple[int, int]:
        line = os.pread(self._descriptor, 512, 0).split(b"\n", 1)[0]
        ticks = [int(field) for field in line.split()[1:9]]  # the later ones are counted in these
        return ticks[3] + ticks[4], sum(ticks)
