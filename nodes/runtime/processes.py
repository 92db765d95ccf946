"""Processes below the node: who they are, how all of them are killed, and that none is left.

The node is the reaper of orphans below it (`become_reaper`), and so is every shell. What a shell's
code starts therefore stays below the shell while it lives, whatever sessions or groups it makes,
and becomes a child of the node when the shell is dead. A child of the node that is not one of its
shells is such an orphan.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LOAD_AVERAGE = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
_PR_SET_CHILD_SUBREAPER = 36
_SWEEP_ROUNDS = 100
_SWEEP_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """One row of /proc at the time of a scan."""

    pid: int
    parent: int
    state: str
    started: int  # clock ticks since boot: with the pid the identity of a process
    resident_bytes: int
    ticks: int  # of processor time, its own and that of children it has waited for


def read_process(pid: int) -> Process | None:
    """The process `pid` as /proc shows it now; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (hot: read for every process)
            text = file.read()
    except OSError:
        return None
    # The name in parentheses may hold anything, blanks and parentheses too.
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        state=fields[0].decode(),
        started=int(fields[19]),
        resident_bytes=int(fields[21]) * PAGE_BYTES,
        ticks=sum(map(int, fields[11:15])),
    )


def scan() -> dict[int, Process]:
    """All processes of the machine by pid."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return {process.pid: process for process in found if process}


def count_tasks() -> int:
    """The number of processes and threads of the machine; cheap."""
    return int(os.pread(_LOAD_AVERAGE, 100, 0).split()[3].split(b"/")[1])


def newest_pid() -> bytes:
    """The process id given last: while it stays the same nothing was started; cheap."""
    return os.pread(_LOAD_AVERAGE, 100, 0).split()[4]


def is_childless(pid: int) -> bool:
    """Whether `pid` surely has no children, dead ones included; cheap. False when that is unknown.

    Of several threads each has children of its own, which may pass from one to another meanwhile;
    the list of one is complete when it is empty.
    """
    try:
        (thread,) = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
        with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
            return not file.read()
    except (OSError, ValueError):
        return False


def descendants(table: dict[int, Process], *roots: int) -> list[Process]:
    """The processes below `roots` in `table`, parents first."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    tree: list[Process] = []
    queue = list(roots)
    for pid in queue:  # grows while it is walked; children are taken once:
        below = children.pop(pid, [])  # a scan is no single moment and may show a circle
        tree += below
        queue += [process.pid for process in below]
    return tree


def send_signal(process: Process, number: int) -> None:
    """Signals the very process that was seen, never another one that got its pid since."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        now = read_process(process.pid)
        if now and now.started == process.started:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def kill_tree(root: int) -> None:
    """Kills `root`, a session leader, and all below it; stopped first, so that none forks away."""
    top = read_process(root)
    if top is None:
        return
    send_signal(top, signal.SIGSTOP)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(root, signal.SIGSTOP)  # at one stroke what did not leave the group
    kill_all(lambda table: descendants(table, root))
    send_signal(top, signal.SIGKILL)


def kill_all(find: Callable[[dict[int, Process]], list[Process]]) -> None:
    """Kills what `find` picks from scans, when a scan shows nothing that was not stopped before."""
    stopped: set[tuple[int, int]] = set()
    while True:
        found = [process for process in find(scan()) if process.state not in "ZX"]
        fresh = [process for process in found if (process.pid, process.started) not in stopped]
        if not fresh:
            break
        for process in fresh:
            send_signal(process, signal.SIGSTOP)
            stopped.add((process.pid, process.started))
    for process in found:
        send_signal(process, signal.SIGKILL)


def proportional_bytes(pid: int) -> int:
    """Resident memory of `pid` with shared pages counted in proportion; 0 when unreadable."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def cpu_seconds_of(root: int) -> float:
    """The processor time that `root`, all below it, and those of them that ended have taken."""
    table = scan()
    family = [root, *(process.pid for process in descendants(table, root))]
    ticks = sum(table[pid].ticks for pid in family if pid in table)
    return ticks / _TICKS_PER_SECOND


def become_reaper() -> None:
    """Makes orphans below this process its children instead of init's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become the reaper of orphaned processes")


class Children:
    """The children this process has by its own will, told apart from orphans it inherited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen[bytes] | None] = {}

    def spawn(self, command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """A new child in a session of its own. Call from the main thread only: the child dies
        with the thread that started it."""
        with self._lock:
            process = subprocess.Popen(command, start_new_session=True, **options)
            self._processes[process.pid] = process
        return process

    def adopt(self, pid: int) -> None:
        """The process, which this one did not start itself, is to be its child and no orphan."""
        with self._lock:
            self._processes[pid] = None

    def forget(self, pid: int) -> None:
        """The process is no child of ours, or an orphan."""
        with self._lock:
            self._processes.pop(pid, None)

    def reap(self, pid: int) -> int:
        """Waits for the end of the child; its exit code, or minus the signal that killed it."""
        process = self._processes[pid]
        code = process.wait() if process else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.forget(pid)
        return code

    def sweep(self) -> None:
        """Kills and reaps orphans until there is none, or none that dies within a second."""
        for _ in range(_SWEEP_ROUNDS):
            orphans = self._orphans(scan())
            if not orphans:
                return
            if any(orphan.state != "Z" for orphan in orphans):
                kill_all(self._orphans_and_below)
                time.sleep(_SWEEP_PAUSE_SECONDS)
            for orphan in orphans:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(orphan.pid, os.WNOHANG)

    def _orphans_and_below(self, table: dict[int, Process]) -> list[Process]:
        orphans = self._orphans(table)
        return orphans + descendants(table, *(orphan.pid for orphan in orphans))

    def _orphans(self, table: dict[int, Process]) -> list[Process]:
        own = os.getpid()
        candidates = [process for process in table.values() if process.parent == own]
        with self._lock:  # a child being started right now is known once we hold this
            return [process for process in candidates if process.pid not in self._processes]
