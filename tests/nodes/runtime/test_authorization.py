"""Who may speak to a compute node."""

import socket
from collections.abc import Iterator

import pytest

from nodes.runtime.authorization import ClusterKeys
from nodes.runtime.multiplex import PREFACE
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import CLUSTER_KEY, RunningNode, running_node

FORMER = "the key of last year"


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node whose key is being replaced."""
    directory = tmp_path_factory.mktemp("changing")
    with running_node(directory, MLOPS_RSCRIPT=NO_R, MLOPS_FORMER_CLUSTER_KEY=FORMER) as running:
        yield running


@pytest.mark.parametrize("key", [CLUSTER_KEY, FORMER])
def test_while_the_key_is_replaced_both_open_everything(changing: RunningNode, key: str) -> None:
    with changing.client(cluster_key=key) as http:
        assert http.get("/v1/health").status_code == 200


@pytest.mark.parametrize("key", [CLUSTER_KEY, FORMER])
def test_both_open_a_shared_connection(changing: RunningNode, key: str) -> None:
    assert _opening(changing, key) == PREFACE + b"\r\n"


def test_no_other_key_does(changing: RunningNode) -> None:
    for key in ("another", "", CLUSTER_KEY[:-1], f"{CLUSTER_KEY} ", f"{CLUSTER_KEY}{FORMER}"):
        with changing.client() as http:
            answer = http.get("/v1/health", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401
        assert _opening(changing, key) == b""


def test_a_former_key_opens_nothing_where_it_is_not_set(node: RunningNode) -> None:
    with node.client(cluster_key=FORMER) as http:
        assert http.get("/v1/health").status_code == 401
    assert _opening(node, FORMER) == b""


def test_no_key_at_all_accepts_nothing() -> None:
    assert not ClusterKeys("", "").accept(b"")


def _opening(node: RunningNode, key: str) -> bytes:
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
        connection.sendall(b"%b %b\r\n" % (PREFACE, key.encode()))
        return connection.recv(100)
