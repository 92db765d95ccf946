"""Where and of what a run was."""

import os
import platform
import subprocess
from pathlib import Path


def commit(root: Path) -> str:
    """The commit of the working tree; a tree that differs from it is said to."""
    said = ["git", "describe", "--always", "--abbrev=10", "--dirty", "--exclude=*"]
    return subprocess.run(said, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def description() -> str:
    """Processor, cores, memory, kernel and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.machine()}, "
        f"{memory:.0f} GB, Linux {platform.release()}, Python {platform.python_version()}"
    )
