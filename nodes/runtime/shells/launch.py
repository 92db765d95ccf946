"""Become a shell: bound by the node's limits, dead with the node, then Python or another program.

    launch.py <pid of the node> <memory bytes> <control group> python <number of the socket>
    launch.py <pid of the node> <memory bytes> <control group> exec <program> [arguments]

Runs before anything else is imported, as a script outside any package.
"""

import ctypes
import importlib
import importlib.util
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OPEN_FILES = 4096
_MORE_TASKS = 1024
_PACKAGE = "mlops_shell"


def bind_to_node(node_pid: int) -> None:
    """Dies with the node, and keeps every process started below as a descendant."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != node_pid:  # it died before we asked to be told
        os._exit(1)


def limit_resources(memory_bytes: int, control_group: str) -> None:
    """Bounds memory and, in a control group, processes; forbids core dumps; allows enough files."""
    if control_group:
        Path(control_group, "cgroup.procs").write_text(str(os.getpid()))
    else:  # a bound for all tasks of this user, so it can only stop the worst; root has none
        tasks = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]) + _MORE_TASKS
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        tasks = tasks if hard == resource.RLIM_INFINITY else min(tasks, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # When the whole machine runs out, the kernel is to take a shell and not the node.
    Path("/proc/self/oom_score_adj").write_text("500")


def serve_python(descriptor: int) -> None:
    """Runs the Python shell from this source tree under a package name nobody else uses.

    The directory itself is not put on the path: its modules would hide those of user code.
    """
    runtime_dir = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, runtime_dir / "__init__.py", submodule_search_locations=[str(runtime_dir)]
    )
    if spec is None:
        raise ImportError(f"no package at {runtime_dir}")
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    importlib.import_module(f"{_PACKAGE}.shells.python_shell").main(descriptor)


def main() -> None:
    """See the module."""
    node_pid, memory_bytes, control_group, kind, *rest = sys.argv[1:]
    bind_to_node(int(node_pid))
    limit_resources(int(memory_bytes), control_group)
    if kind == "python":
        serve_python(int(rest[0]))
    else:
        os.execvp(rest[0], rest)  # noqa: S606 (the node's own command line)


if __name__ == "__main__":
    main()
