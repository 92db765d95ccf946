"""Control groups: the kernel's own bound on how many tasks a shell may have.

The guardian looks some fifty times a second, which is still long for a fork bomb on a small
machine. Where the node may make control groups (it is root, and the host has version 2, or version
1 with `pids`), each shell gets one of its own, and `fork` fails at the bound. Elsewhere the
guardian is alone.
"""

import contextlib
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

_PREFIX = "mlops-node-"
_MOUNTS = Path("/proc/mounts")
# The kernel counts threads too, and numeric libraries like to have some.
_TASKS_PER_PROCESS = 4


class ControlGroups:
    """A group for this node, and one below it for each shell; none of them before `open`."""

    def __init__(self, max_processes: int) -> None:
        self._tasks_per_shell = max_processes * _TASKS_PER_PROCESS
        self._top: Path | None = None

    def open(self) -> None:
        """Make this node's group where the host allows it, and remove those of dead nodes."""
        for parent in _parents():
            _remove_stale(parent)
            self._top = parent / f"{_PREFIX}{os.getpid()}"
            try:
                self._top.mkdir(exist_ok=True)
                control = self._top / "cgroup.subtree_control"
                if control.exists():  # version 2 hands controllers down one level at a time
                    control.write_text("+pids")
                self.discard(self._make("probe"))
            except OSError as error:
                logger.debug("No control groups below %s: %s", parent, error)
                self.close()
            else:
                return

    def make(self, name: str) -> Path | None:
        """A new group with its bound, which a shell joins at its start; None without `open` groups.

        A group that cannot be made is no reason to run nothing: the guardian watches as well.
        """
        try:
            return self._make(name)
        except OSError as error:
            logger.warning("No control group for shell %s: %s", name, error)
            return None

    def discard(self, group: Path | None) -> None:
        """Remove the group of a dead shell; one that still has a task is left to `close`."""
        if group:
            with contextlib.suppress(OSError):
                group.rmdir()

    def close(self) -> None:
        """Remove all groups of this node."""
        if self._top:
            _remove(self._top)
            self._top = None

    def _make(self, name: str) -> Path | None:
        if self._top is None:
            return None
        group = self._top / name
        group.mkdir()
        try:
            (group / "pids.max").write_text(str(self._tasks_per_shell))
        except OSError:
            group.rmdir()
            raise
        return group


def _parents() -> list[Path]:
    """Mount points below which a group can bound the number of its tasks."""
    found = []
    for line in _MOUNTS.read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if (kind == "cgroup" and "pids" in options.split(",")) or (
            kind == "cgroup2" and "pids" in _words(Path(mount, "cgroup.subtree_control"))
        ):
            found.append(Path(mount))
    return found


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _remove_stale(parent: Path) -> None:
    """Remove what nodes left that were killed."""
    for top in parent.glob(f"{_PREFIX}*"):
        if not Path("/proc", top.name.removeprefix(_PREFIX)).exists():
            _remove(top)


def _remove(top: Path) -> None:
    for group in [*top.glob("*/"), top]:
        with contextlib.suppress(OSError):
            group.rmdir()
