"""Nodes shared by the tests of a module: Python only, few shells, small limits."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode, running_node

NO_R = "/nonexistent/Rscript"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A Python node whose shells may use 768 MiB, 24 processes and 64 kB of console."""
    with running_node(
        tmp_path_factory.mktemp("node"),
        MLOPS_RSCRIPT=NO_R,
        MLOPS_POOL_MAX_SIZE="6",
        MLOPS_RUN_SECONDS="60",
        MLOPS_SHELL_MEMORY_MB="768",
        MLOPS_SHELL_MAX_PROCESSES="24",
        MLOPS_CONSOLE_MAX_BYTES="65536",
    ) as running:
        yield running


@pytest.fixture
def session(node: RunningNode) -> Iterator[OpenSession]:
    """A session of the test's own."""
    with open_session(node) as session:
        yield session


@pytest.fixture(scope="module")
def shared(node: RunningNode) -> Iterator[OpenSession]:
    """A session for all tests of a module: a shell takes seconds to start where many run."""
    with open_session(node) as session:
        yield session


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end."""
    return asyncio.run
