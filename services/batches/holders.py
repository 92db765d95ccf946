"""Which process holds a lease, and whether it is known to be dead."""

import json
import os
from functools import cache
from pathlib import Path

from django.conf import settings

from nodes.runtime.processes import read_process


def this_process() -> str:
    """The name of this process as a holder: its machine, its process ids' space, itself."""
    pid = os.getpid()
    process = read_process(pid)
    started = process.started if process else 0
    return json.dumps([*_here(), pid, started])


def is_known_dead(holder: str) -> bool:
    """Whether the process is certainly gone; False where that cannot be seen from here."""
    try:
        boot, space, pid, started = json.loads(holder)
    except ValueError:
        return False
    if [boot, space] == _here():
        process = read_process(pid)
        return process is None or process.started != started or process.state in "ZX"
    # A box with its broker in files is one machine: what ran before it was started is gone.
    return _is_one_machine() and boot != _here()[0]


@cache
def _here() -> list[str]:
    """What two processes have in common when one can see the other in /proc."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [boot, os.readlink("/proc/self/ns/pid")]  # noqa: PTH115 - its text is no path


def _is_one_machine() -> bool:
    return bool(settings.CELERY_BROKER_URL.startswith("files://"))
