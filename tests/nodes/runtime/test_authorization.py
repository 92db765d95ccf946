"""Who may speak to a compute node."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError

from nodes.management.commands.computenode import node_config
from nodes.runtime.authorization import AllowedClients, ClusterKeys
from nodes.runtime.multiplex import PREFACE
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import CLUSTER_KEY, RunningNode, running_node, start_node

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
    for key in ("another", "x", CLUSTER_KEY[:-1], f"{CLUSTER_KEY}{FORMER}"):
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


@pytest.mark.parametrize(
    ("networks", "address", "is_included"),
    [
        ([], "8.8.8.8", True),
        (["10.0.0.4"], "10.0.0.4", True),
        (["10.0.0.4"], "10.0.0.5", False),
        (["10.0.0.4", "10.0.2.0/24"], "10.0.2.255", True),
        (["10.0.2.0/24"], "::ffff:10.0.2.1", True),
        (["10.0.2.0/24"], "fe80::1", False),
        (["fe80::/10"], "fe80::1", True),
    ],
)
def test_addresses_are_those_of_the_networks(
    networks: list[str], address: str, is_included: bool
) -> None:
    assert AllowedClients(networks).include(address) is is_included


def test_from_another_address_nothing_is_answered(tmp_path: Path) -> None:
    node = start_node(
        tmp_path, environment={"MLOPS_RSCRIPT": NO_R, "MLOPS_ALLOWED_CLIENTS": "127.0.0.1"}
    )
    try:
        with (
            socket.create_connection(
                ("127.0.0.1", node.port), timeout=60, source_address=("127.0.0.2", 0)
            ) as stranger,
            contextlib.suppress(ConnectionError),
        ):
            stranger.sendall(
                b"GET /v1/health HTTP/1.1\r\nHost: x\r\n"
                b"Authorization: Bearer %b\r\n\r\n" % CLUSTER_KEY.encode()
            )
            assert stranger.recv(1) == b""
        assert node.http.get("/v1/health").status_code == 200
    finally:
        node.stop()


def test_a_node_with_a_wrong_network_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ALLOWED_CLIENTS", "10.0.0.0/24,web-1")
    with pytest.raises(CommandError, match="MLOPS_ALLOWED_CLIENTS: 'web-1' does not appear"):
        node_config("127.0.0.1", 12805)


def _opening(node: RunningNode, key: str) -> bytes:
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
        connection.sendall(b"%b %b\r\n" % (PREFACE, key.encode()))
        return connection.recv(100)
