"""A compute node of these tests alone: one call may wait in line."""

from collections.abc import Iterator

import pytest
from django.conf import settings as project_settings

from nodes.actions import declare_node
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import RunningNode, start_node

TINY_QUEUE = {"MLOPS_RSCRIPT": NO_R, "MLOPS_QUEUE_LENGTH": "1", "MLOPS_QUEUE_SECONDS": "120"}


def start(data_dir: object, port: int = 0) -> RunningNode:
    """A node that takes our cluster key, and lets one call wait."""
    return start_node(
        data_dir,  # type: ignore[arg-type]
        cluster_key=project_settings.CLUSTER_KEY,
        port=port,
        environment=TINY_QUEUE,
    )


@pytest.fixture(scope="module")
def tiny_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    node = start(tmp_path_factory.mktemp("tiny-node"))
    yield node
    node.stop()


@pytest.fixture
def node(db: None, tiny_node: RunningNode) -> RunningNode:
    """The node, declared as the only one, without pools."""
    for pool in tiny_node.http.get("/v1/pools").json()["pools"]:
        tiny_node.http.delete(f"/v1/bundles/{pool['bundle']}/pool")
    declare_node(uri=tiny_node.address)
    return tiny_node
