"""A small process beside the node that watches its shells and, at its end, cleans up after it.

    guardian.py <pid of the node> <work root> <most processes> <most memory> <most disk, in bytes>

It kills the shell whose processes are too many or use too much memory, and tells the node which and
why, a line each. Of a shell whose files take too much room it tells the node the directory, which
kills the shell. It is a process of its own because a node that shares the machine with a fork bomb
gets its turn too late.

Shells die with the node even when it is killed, but what their code started need not. The end of
stdin is the end of the node: then every process whose HOME or working directory is below the work
root is killed, and the work root removed.
"""

import contextlib
import importlib.util
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

_LOOK_SECONDS = 0.02
_SCAN_SECONDS = 0.2
_LONGEST_SECONDS = 2.0  # without a scan, whatever it looks like
_SUSPICIOUS_GROWTH = 16
_ROUNDS = 50
_PAUSE_SECONDS = 0.02
_DISK_LOOK_SECONDS = 0.5
_DISK_PARTS = 8  # of the bound: by how much the room shrinks before it is looked who took it
_RESERVED_PARTS = 50  # of the disk
_RESERVED_BYTES = 1024**3


class Watch:
    """The limits of one node's shells, and whether a look at all processes is due."""

    def __init__(self, node_pid: int, max_processes: int, memory_bytes: int) -> None:
        self._node_pid = node_pid
        self._max_processes = max_processes
        self._memory_bytes = memory_bytes
        self._processes = _load_processes()
        self._scanned_at = 0.0
        self._tasks_then = 0
        self._pid_then = b""
        self._trees = True

    def look(self) -> None:
        """Scans when it is due, kills what is beyond the limits, and reports it on stdout."""
        if not self._is_due():
            return
        table = self._processes.scan()
        self._scanned_at = time.monotonic()
        self._tasks_then = self._processes.count_tasks()
        self._pid_then = self._processes.newest_pid()
        self._trees = False
        for shell in [p for p in table.values() if p.parent == self._node_pid]:
            self._check(shell, self._processes.descendants(table, shell.pid))

    def _is_due(self) -> bool:
        if self._processes.count_tasks() - self._tasks_then > _SUSPICIOUS_GROWTH:
            return True
        since = time.monotonic() - self._scanned_at
        if since < _SCAN_SECONDS or since > _LONGEST_SECONDS:
            return since > _LONGEST_SECONDS
        # A shell alone is bound by its own limit of memory: only those with children need a look.
        return self._trees or self._processes.newest_pid() != self._pid_then

    def _check(self, shell: Any, below: list[Any]) -> None:
        if not below or shell.pid == os.getpid():
            return
        # What keeps a sandbox always has a child. It is bound as well: a shell might pose as one.
        self._trees = self._trees or not _looks_like_a_keeper(shell.pid)
        if len(below) >= self._max_processes:
            reason = (
                f"The call was stopped: it had started more than {self._max_processes} processes, "
                "the most that a shell may have."
            )
        elif self._memory_of([shell, *below]) > self._memory_bytes:
            reason = (
                "The call was stopped: its processes used more than the "
                f"{self._memory_bytes // 1024**2} MiB of memory that a shell may have."
            )
        else:
            return
        # Before the kill, so that the node knows the reason when it sees the death.
        os.write(sys.stdout.fileno(), f"{shell.pid} {reason}\n".encode())
        self._processes.kill_tree(shell.pid)

    def _memory_of(self, tree: list[Any]) -> int:
        resident: int = sum(process.resident_bytes for process in tree)
        if resident <= self._memory_bytes:
            return resident
        # Pages that forked processes share were counted once for each.
        return sum(self._processes.proportional_bytes(process.pid) for process in tree)


class DiskWatch:
    """The bound on the files of each shell, whose directories are those below `work_root`.

    To add up files takes long. So that is done only when the room on the disk has become less by a
    part of the bound, or is nearly gone: then what takes most must go, whatever the bound.
    """

    def __init__(self, work_root: Path, most_bytes: int) -> None:
        self._work_root = work_root
        self._most_bytes = most_bytes
        self._free_then = self._free()[0]
        self._looked_at = time.monotonic()

    def look(self) -> None:
        """Reports directories that take too much on stdout."""
        now = time.monotonic()
        if now - self._looked_at < _DISK_LOOK_SECONDS:
            return
        self._looked_at = now
        free, reserve = self._free()
        self._free_then = max(free, self._free_then)
        if free > reserve and self._free_then - free < self._most_bytes / _DISK_PARTS:
            return
        sizes = {home.name: _disk_bytes(home) for home in self._work_root.iterdir()}
        for name, size in sizes.items():
            if size > self._most_bytes:
                most = self._most_bytes // 1024**2
                _report(name, f"its files took more than the {most} MiB that a shell may have.")
        largest = max(sizes, key=lambda name: sizes[name], default="")
        if free <= reserve and largest and reserve / 2 < sizes[largest] <= self._most_bytes:
            _report(largest, "the disk of the node is full, and its files took the most room.")
        self._free_then = free

    def _free(self) -> tuple[int, int]:
        """The bytes free on the disk, and those that are to stay free."""
        state = os.statvfs(self._work_root)
        return state.f_bavail * state.f_frsize, min(
            state.f_blocks * state.f_frsize // _RESERVED_PARTS, _RESERVED_BYTES
        )


def _looks_like_a_keeper(pid: int) -> bool:
    """Whether it seems to be no shell but what keeps the sandbox of one (sandbox.py)."""
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith("/bwrap")  # noqa: PTH115
    except OSError:
        return False


def _report(name: str, reason: str) -> None:
    os.write(sys.stdout.fileno(), f"{name} The call was stopped: {reason}\n".encode())


def _disk_bytes(home: Path) -> int:
    """What the files below take on the disk, each counted once."""
    seen: dict[tuple[int, int], int] = {}
    with contextlib.suppress(FileNotFoundError):  # it may be gone by now
        for _, folders, files, descriptor in os.fwalk(home):
            for name in (*folders, *files):
                with contextlib.suppress(OSError):
                    state = os.lstat(name, dir_fd=descriptor)
                    seen[state.st_dev, state.st_ino] = state.st_blocks * 512
    return sum(seen.values())


def clean(work_root: Path) -> None:
    """Kills what still runs below `work_root`, and removes it."""
    processes = _load_processes()
    for _ in range(_ROUNDS):
        strays = [p for p in processes.scan().values() if _belongs(p.pid, str(work_root))]
        strays = [p for p in strays if p.state not in "ZX" and p.pid != os.getpid()]
        if not strays:
            break
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in strays:
                processes.send_signal(process, number)
        time.sleep(_PAUSE_SECONDS)
    shutil.rmtree(work_root, ignore_errors=True)


def _belongs(pid: int, work_root: str) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/cwd").startswith(work_root + os.sep):  # noqa: PTH115
            return True
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    mark = f"HOME={work_root}{os.sep}".encode()
    return environment.startswith(mark) or b"\0" + mark in environment


def _load_processes() -> ModuleType:
    # By its place, not through the package: this process stays as small as it can.
    path = Path(__file__).with_name("processes.py")
    spec = importlib.util.spec_from_file_location("processes", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["processes"] = module
    spec.loader.exec_module(module)
    return module


def _become_urgent() -> None:
    # Else each of the processes that are to be stopped gets its turn before this one.
    with contextlib.suppress(OSError):  # needs a privilege, and helps where it is there
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    """See the module."""
    node_pid, work_root, max_processes, memory_bytes, disk_bytes = sys.argv[1:]
    disk_watch = DiskWatch(Path(work_root), int(disk_bytes))
    watch = Watch(int(node_pid), int(max_processes), int(memory_bytes))
    _become_urgent()
    with contextlib.suppress(BrokenPipeError):
        while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            watch.look()
            disk_watch.look()
    clean(Path(work_root))


if __name__ == "__main__":
    main()
