"""The bounds within which a shell lives: set by itself before anything of a user runs in it."""

import ctypes
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES = 4096
_MORE_TASKS = 1024
_libc = ctypes.CDLL(None)


def bind_to_node(node_pid: int) -> None:
    """Dies with the node, and keeps every process started below as a descendant."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != node_pid:  # it died before we asked to be told
        os._exit(1)


def limit_resources(memory_bytes: int, file_bytes: int, control_group: str) -> None:
    """Bounds memory, the size of each file and, in a control group, processes; allows enough open
    files; forbids core dumps, and to become another user by way of a program like `sudo`."""
    if control_group:
        Path(control_group, "cgroup.procs").write_text(str(os.getpid()))
    else:  # a bound for all tasks of this user, so it can only stop the worst; root has none
        tasks = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]) + _MORE_TASKS
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        tasks = tasks if hard == resource.RLIM_INFINITY else min(tasks, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # When the whole machine runs out, the kernel is to take a shell and not the node.
    Path("/proc/self/oom_score_adj").write_text("500")
