"""Namespaces of the run's own: its processes, mounts and links end with it, however it ends."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PLACE = Path("/run")  # everything of the cluster is here, in memory, unseen from outside
_INSIDE = "MLOPS_CLUSTER_INSIDE"
_PROGRAMS = ("unshare", "ip", "nft", "haproxy", "redis-server", "setpriv", "hostname")


def is_inside() -> bool:
    """Whether this process is already apart."""
    return _INSIDE in os.environ


def missing() -> list[str]:
    """What keeps the run from starting, in words."""
    found = [] if os.geteuid() == 0 else ["It needs to be root."]
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        found.append(f"Not installed: {', '.join(absent)}. See mlops/onebox/install.sh cluster.")
    return found


def go_inside(module: str, arguments: Sequence[str]) -> None:
    """Become `python -m module` in new namespaces, all of which is killed with this process."""
    kinds = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.environ[_INSIDE] = "1"
    os.execvp("unshare", ["unshare", *kinds, sys.executable, "-m", module, *arguments])  # noqa: S606


def prepare() -> None:
    """An empty place in memory, and a network of which only the loopback is there."""
    run("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", str(PLACE))
    run("ip", "link", "set", "lo", "up")


def run(*command: str, text: str = "") -> None:
    """Run it; what it says is in the error when it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
