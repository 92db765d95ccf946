"""The bounds within which a shell lives: set by itself before anything of a user runs in it."""

import resource
from pathlib import Path

_OPEN_FILES = 4096
_MORE_TASKS = 1024


def limit_resources(memory_bytes: int, file_bytes: int, max_tasks: int | None) -> None:
    """Bounds memory, the size of each file, and tasks; allows enough open files; forbids core
    dumps. `max_tasks` is for a shell that has a user of its own, None where a user has several."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if max_tasks is None:  # it bounds all tasks of the user, so it can only stop the worst
        max_tasks = (
            int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2]) + _MORE_TASKS
        )
    tasks = max_tasks if hard == resource.RLIM_INFINITY else min(max_tasks, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # When the whole machine runs out, the kernel is to take a shell and not the node.
    Path("/proc/self/oom_score_adj").write_text("500")
