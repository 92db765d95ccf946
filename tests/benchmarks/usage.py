"""What the processes of a server use: CPU seconds and memory of each."""

import os
from dataclasses import dataclass
from pathlib import Path

from nodes.runtime.processes import descendants, proportional_bytes, read_process, scan

TICKS = os.sysconf("SC_CLK_TCK")
# What a process is called by what its command line or name has in it; the first one counts.
ROLES = {
    "python-shell": "Python shell",
    "python-template": "Python template",
    "r_shell.R": "R shell",
    "manage.py onebox": "supervisor",
    "manage.py webnode": "web node",
    "manage.py computenode": "compute node",
    "batch@": "batch worker",
    "celery": "worker",
    "router:app": "router",
    "echo:app": "echo",
}


@dataclass(frozen=True)
class Used:
    """One process during a measurement."""

    role: str
    cpu_seconds: float
    memory_bytes: int  # shared pages counted in proportion


def cpu_seconds(root: int) -> dict[int, float]:
    """The CPU time so far of `root` and all processes below it."""
    table = scan()
    tree = [*([table[root]] if root in table else []), *descendants(table, root)]
    return {process.pid: _cpu_seconds(process.pid) for process in tree}


def used_since(before: dict[int, float], root: int) -> list[Used]:
    """What each process below `root` has used since then; those that ended are lost."""
    return [
        Used(role(pid), seconds - before.get(pid, 0.0), proportional_bytes(pid))
        for pid, seconds in cpu_seconds(root).items()
    ]


def role(pid: int) -> str:
    """What the process is for, or the name of its program."""
    command = _read(pid, "cmdline").replace("\0", " ")
    name = _read(pid, "comm").strip()
    for mark, found in ROLES.items():
        if mark in command or mark in name:
            return found
    return name or "ended"


def _cpu_seconds(pid: int) -> float:
    text = _read(pid, "stat")
    fields = text[text.rfind(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    process = read_process(pid)
    return process is not None and process.state not in "ZX"
