"""Who may speak to a compute node."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError

from nodes.management.commands.computenode import node_config
from nodes.runtime.api import routes
from nodes.runtime.authorization import AllowedClients, ClusterKeys
from nodes.runtime.multiplex import PREFACE
from nodes.runtime.node import ComputeNode
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import CLUSTER_KEY, RunningNode, running_node, start_node

FORMER = "the key of last year"
_NO_KEYS = (
    "",
    "Bearer",
    "Bearer another",
    CLUSTER_KEY,
    f"Basic {CLUSTER_KEY}",
    f"bearer {CLUSTER_KEY}",
    f"Bearer {CLUSTER_KEY}x",
)


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


def _every_route() -> list[tuple[str, str]]:
    """Method and path of all routes, with something in the place of each parameter."""
    node = ComputeNode(node_config("127.0.0.1", 12805))
    found = [("POST", f"/v1/bundles/{'0' * 64}/score")]  # has a lane of its own
    for route in routes(node):
        path = re.sub(r"{(\w+)(:path)?}", "0" * 64, route.path)
        found += [(method, path) for method in route.methods or ()]
    return found


def test_without_the_key_no_route_is_reached(node: RunningNode) -> None:
    every = _every_route()
    assert len(every) > 25
    with httpx.Client(base_url=node.address) as http:
        for method, path in [*every, ("GET", "/"), ("GET", "/v1/absent"), ("TRACE", "/v1/health")]:
            for shown in ({}, *({"Authorization": value} for value in _NO_KEYS)):
                answer = http.request(method, path, headers=shown)
                assert answer.status_code == 401, (method, path, shown)
                if method != "HEAD":
                    assert answer.json()["code"] == "not-authorized"


def test_with_the_key_every_route_is(node: RunningNode) -> None:
    for method, path in _every_route():
        if (method, path) != ("POST", "/v1/sessions"):
            assert node.http.request(method, path).status_code not in (401, 405), (method, path)


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
