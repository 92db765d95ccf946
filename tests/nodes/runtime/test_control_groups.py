"""The kernel's bound on the processes of a shell."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.runtime.control_groups import ControlGroups

FORK_UNTIL_REFUSED = """
import os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
reading, writing = os.pipe()
count = 0
try:
    while True:
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)  # until the parent ends
            os._exit(0)
        count += 1
except OSError as error:
    print(count, error.errno)
os.close(writing)
for _ in range(count):
    os.wait()
"""


@pytest.fixture
def groups() -> Iterator[ControlGroups]:
    groups = ControlGroups(max_processes=5)
    groups.open()
    if groups.make("possible") is None:
        pytest.skip("this host lets nobody but root make control groups")
    yield groups
    groups.close()


def test_a_shell_cannot_fork_beyond_the_bound(groups: ControlGroups) -> None:
    group = groups.make("shell")
    done = subprocess.run(
        [sys.executable, "-c", FORK_UNTIL_REFUSED, str(group)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, number = map(int, done.stdout.split())
    assert (count < 5 * 4, number) == (True, errno.EAGAIN)


def test_a_discarded_group_is_gone(groups: ControlGroups) -> None:
    group = groups.make("shell")
    assert group is not None
    groups.discard(group)
    assert not group.exists()


def test_closing_removes_all_groups_of_the_node(groups: ControlGroups) -> None:
    group = groups.make("shell")
    assert group is not None
    groups.close()
    assert not group.parent.exists()


def test_groups_of_a_dead_node_are_removed_at_the_next_start(groups: ControlGroups) -> None:
    group = groups.make("shell")
    assert group is not None
    dead = subprocess.Popen(["true"])
    dead.wait()
    stale = group.parent.with_name(f"mlops-node-{dead.pid}")
    stale.mkdir()
    groups.close()
    groups.open()
    assert not stale.exists()


def test_without_groups_shells_start_all_the_same() -> None:
    groups = ControlGroups(max_processes=5)
    assert groups.make("shell") is None
    groups.discard(None)
    groups.close()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/mlops-node-{os.getpid()}"))
