"""Nodes of each level of isolation that this machine allows, with something to steal."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.runtime.running import ROOT, RunningNode, start_node

CLUSTER_KEY = "the-cluster-key-that-code-is-after"
KEY_IN_FILE = "a-key-in-a-file-that-code-is-after"
_NODE_USER = 54_321


@contextlib.contextmanager
def isolated_node(level: str, directory: Path, **environment: str) -> Iterator[RunningNode]:
    """A node of the level: `sandbox`, `user` as root, or `sandbox of a user` that is not root.

    The test is skipped where this machine does not allow it.
    """
    is_of_user = level == "sandbox of a user"
    if os.geteuid() != 0 and not (is_of_user or level == "sandbox"):
        pytest.skip("needs root")
    directory.chmod(0o755)
    secret = directory / "key.pem"
    secret.write_text(KEY_IN_FILE)
    secret.chmod(0o600)
    python, user = sys.executable, None
    if level != "sandbox" and os.geteuid() == 0:
        python = _python_of_everybody(directory)
    if is_of_user and os.geteuid() == 0:
        user = _NODE_USER
        for path in (directory, secret):
            os.chown(path, user, user)
    if level != "user" and not _can_make_sandboxes(user):
        pytest.skip("bubblewrap cannot make sandboxes here")
    node = start_node(
        directory / "data",
        cluster_key=CLUSTER_KEY,
        python=python,
        user=user,
        environment={
            "MLOPS_SHELL_ISOLATION": level.partition(" ")[0],
            "MLOPS_TOKEN_SIGNING_KEY_FILE": str(secret),
            "MLOPS_POOL_MAX_SIZE": "4",
            **environment,
        },
    )
    try:
        yield node
    finally:
        node.stop()


def _can_make_sandboxes(user: int | None) -> bool:
    if shutil.which("bwrap") is None:
        return False
    trial = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "true"]
    done = subprocess.run(
        trial,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _python_of_everybody(directory: Path) -> str:
    """A Python that other users may execute, with the packages of this one."""
    system = "/usr/bin/python3"
    packages = Path(sysconfig.get_path("purelib"))
    if not Path(system).exists():
        pytest.skip("needs a Python of the system")
    subprocess.run([system, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    found = subprocess.run(
        [
            directory / "venv/bin/python",
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'))",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    Path(found.stdout.strip(), "packages.pth").write_text(f"{packages}\n")
    for command in (["-c", "import numpy, django, uvicorn"], ["-c", f"open('{ROOT}/manage.py')"]):
        trial = subprocess.run(
            [directory / "venv/bin/python", *command],
            user=_NODE_USER,
            group=_NODE_USER,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
        if trial.returncode:
            pytest.skip("the project cannot be read by other users here")
    return str(directory / "venv/bin/python")
