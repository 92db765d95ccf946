"""Python shells are forked from one process, and are yet as if each had been started alone."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.runtime.config import NodeConfig
from nodes.runtime.errors import ShellDied
from nodes.runtime.starting import PythonStarter
from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import (
    RunningNode,
    name_of,
    processes_below,
    shells_of,
    wait_until,
)
from tests.nodes.runtime.starters import starter_of


@pytest.fixture
def two(node: RunningNode) -> Iterator[tuple[OpenSession, OpenSession]]:
    """Two sessions, and so two shells."""
    with open_session(node) as first, open_session(node) as second:
        yield first, second


@pytest.mark.parametrize(
    "code",
    [
        "import random\ndrawn = random.random()",
        "import numpy as np\ndrawn = np.random.rand()",
        "import numpy as np\ndrawn = np.random.default_rng().random()",
        "import uuid\ndrawn = str(uuid.uuid4())",
        "import multiprocessing\ndrawn = multiprocessing.current_process().authkey.hex()",
        "import tempfile\ndrawn = tempfile.gettempdir()",
        "import os\ndrawn = os.environ['HOME']",
        "import os\ndrawn = os.getcwd()",
        "import os\ndrawn = os.getsid(0)",
    ],
)
def test_nothing_that_must_differ_is_shared(
    two: tuple[OpenSession, OpenSession], code: str
) -> None:
    first, second = (session.run(code, outputs=["drawn"])["drawn"] for session in two)
    assert first != second


def test_a_shell_has_no_descriptor_but_its_own(session: OpenSession) -> None:
    code = "import os\nopen_ones = sorted(os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2))\n"
    code += "others = [n for n in os.listdir('/proc/self/fd') if int(n) > 2]"
    answer = session.run(code, outputs=["open_ones", "others"])
    null, output, errors = answer["open_ones"]
    assert (null, output) == ("/dev/null", errors)
    assert len(answer["others"]) == 2  # the connection to the node, and the list of descriptors


def test_shells_live_on_when_what_they_were_forked_from_dies(node: RunningNode) -> None:
    with open_session(node) as session:
        session.run("kept = 42", outputs=[])
        os.kill(template_of(node), signal.SIGKILL)
        assert session.run("", outputs=["kept"])["kept"] == 42


def test_a_node_whose_template_died_starts_further_shells(node: RunningNode) -> None:
    for _ in range(2):  # the first for a template: the test before has killed it
        for pid in shells_of(node):
            os.kill(pid, signal.SIGKILL)
        assert node.publish("x = 1", outputs=[("x", "numeric")]).outputs() == {"x": 1}
        os.kill(template_of(node), signal.SIGKILL)


def test_what_a_python_that_cannot_start_printed_is_the_reason(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named numpy >&2\nexit 3\n")
    python.chmod(0o700)
    config = NodeConfig(cluster_key="", data_dir=tmp_path, python=str(python), rscript="")

    async def start() -> None:
        starter = starter_of(PythonStarter, config, config.work_root)
        with pytest.raises(ShellDied, match="No module named numpy"):
            await starter.start()

    asyncio.run(start())
    assert list(config.work_root.iterdir()) == []


def template_of(node: RunningNode) -> int:
    """The process that the node's Python shells are forked from."""

    def pids() -> list[int]:
        return [pid for pid in processes_below(node.work_root) if name_of(pid) == "python-template"]

    wait_until(lambda: len(pids()) == 1)
    return pids()[0]
