"""Bodies of which nothing more comes: they are refused, and nothing is left of them."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.runtime.open_sessions import open_session
from tests.nodes.runtime.running import (
    CLUSTER_KEY,
    RunningNode,
    start_node,
    wait_until,
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that waits a second for the next part of a body."""
    node = start_node(
        tmp_path_factory.mktemp("impatient"),
        environment={"MLOPS_RSCRIPT": "/nonexistent/Rscript"},
        prelude="from nodes.runtime import answers; answers.BODY_SECONDS = 1",
    )
    yield node
    node.stop()


def begin(node: RunningNode, request: str, part: bytes) -> socket.socket:
    """A connection with the head of a request and the first part of its body."""
    client = socket.create_connection(("127.0.0.1", node.port), timeout=30)
    head = f"{request} HTTP/1.1\r\nAuthorization: Bearer {CLUSTER_KEY}\r\nContent-Length: 1000\r\n"
    client.sendall(head.encode() + b"\r\n" + part)
    return client


def refused(client: socket.socket) -> bool:
    """Whether it is told that the body stalled, and then hung up."""
    said = b""
    with client:
        while piece := client.recv(65536):
            said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return head.startswith(b"HTTP/1.1 408 ") and json.loads(body)["code"] == "body-stalled"


@pytest.mark.parametrize("part", [b"", b"\0\0\1\0{"])
def test_a_bundle(node: RunningNode, part: bytes) -> None:
    client = begin(node, f"PUT /v1/bundles/{'a' * 64}", part)
    wait_until(lambda: node.http.get("/v1/pools").json()["receiving"])
    assert refused(client)
    assert not node.http.get("/v1/pools").json()["receiving"]
    bundles = node.work_root.parent / "bundles"
    assert bundles.is_dir()
    assert not list(bundles.glob("draft-*"))


def test_a_scoring_call(node: RunningNode) -> None:
    published = node.publish("y = 1", outputs=[("y", "numeric")])
    assert refused(begin(node, f"POST /v1/bundles/{published.id}/score", b"{"))
    assert published.outputs() == {"y": 1}


def test_opening_a_session(node: RunningNode) -> None:
    assert refused(begin(node, "POST /v1/sessions", b"{"))


@pytest.mark.parametrize("path", ["files/a.txt", "workspace/a", "snapshot"])
def test_an_upload_holds_nobody_up_and_leaves_nothing(node: RunningNode, path: str) -> None:
    with open_session(node) as session:
        client = begin(node, f"PUT {session.path}/{path}", b"a")
        wait_until(lambda: _left(node))
        session.run("x = 1")  # while it is under way
        assert refused(client)
        assert session.names() == ["x"]
        assert session.files() == []
        assert not _left(node)


def test_a_slow_body_is_taken(node: RunningNode) -> None:
    with open_session(node) as session:
        client = begin(node, f"PUT {session.path}/files/slow.bin", b"")
        with client:
            client.settimeout(0.3)
            for _ in range(9):
                client.sendall(bytes(100))
                with pytest.raises(TimeoutError):
                    client.recv(1)
            client.settimeout(30)
            client.sendall(bytes(100))
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert session.get_file("slow.bin").content == bytes(1000)


def _left(node: RunningNode) -> list[Path]:
    """Files on their way to or from sessions."""
    return [*node.work_root.glob("*/*/exchange/*"), *node.work_root.glob("*/*/staging/*")]
