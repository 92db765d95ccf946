"""What the processes of a server use: CPU seconds and memory of each."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from nodes.runtime.processes import descendants, proportional_bytes, read_process, scan

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_SECONDS = 0.3
SETTLE_ROUNDS = 20
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
    "guardian": "guardian",
}


@dataclass(frozen=True)
class Used:
    """One process during a measurement."""

    role: str
    cores: float  # CPU seconds per second
    memory_bytes: int  # shared pages counted in proportion


@dataclass(frozen=True)
class Window:
    """What a server and everything else on the machine did for a while."""

    processes: tuple[Used, ...]
    other_cores: float  # used by neither the server nor the load


class Sample:
    """The beginning of a window."""

    def __init__(self, server: int, load: int) -> None:
        self._server = server
        self._load = load
        self._at = time.monotonic()
        self._server_before = cpu_seconds(server)
        self._load_before = _cpu_seconds(load)
        self._machine_before = _machine_seconds()

    def until_now(self) -> Window:
        """The window, while all processes are still there."""
        now = cpu_seconds(self._server)
        load = _cpu_seconds(self._load) - self._load_before
        machine = _machine_seconds() - self._machine_before
        seconds = time.monotonic() - self._at
        server = {pid: used - self._server_before.get(pid, 0.0) for pid, used in now.items()}
        return Window(
            tuple(
                Used(role(pid), used / seconds, proportional_bytes(pid))
                for pid, used in server.items()
            ),
            max(0.0, (machine - load - sum(server.values())) / seconds),
        )


def cpu_seconds(root: int) -> dict[int, float]:
    """The CPU time so far of `root` and all processes below it."""
    table = scan()
    tree = [*([table[root]] if root in table else []), *descendants(table, root)]
    return {process.pid: _cpu_seconds(process.pid) for process in tree}


def held(root: int) -> tuple[int, int]:
    """Memory in bytes and open files of `root` and all processes below it."""
    tree = list(cpu_seconds(root))
    return sum(map(proportional_bytes, tree)), sum(map(_open_files, tree))


def settle(root: int) -> None:
    """Returns when `root` and what is below it have next to nothing to do, or keep on doing it."""
    for _ in range(SETTLE_ROUNDS):
        before = sum(cpu_seconds(root).values())
        time.sleep(SETTLE_SECONDS)
        if sum(cpu_seconds(root).values()) - before < SETTLE_SECONDS / 10:
            return


def role(pid: int) -> str:
    """What the process is for, or the name of its program."""
    command = _read(pid, "cmdline").replace("\0", " ")
    name = _read(pid, "comm").strip()
    if name == "sh":
        return name
    for mark, found in ROLES.items():
        if mark in command or mark in name:
            return found
    return name or "ended"


def _cpu_seconds(pid: int) -> float:
    text = _read(pid, "stat")
    fields = text[text.rfind(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def _machine_seconds() -> float:
    """What all processors of the machine have been busy with."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    user, nice, system, _idle, _waiting, irq, softirq, *_ = (int(text) for text in fields[1:])
    return (user + nice + system + irq + softirq) / TICKS


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    process = read_process(pid)
    return process is not None and process.state not in "ZX"
