"""What a connection may cost a compute node before anybody has shown the cluster key on it."""

import socket

import pytest

from nodes.runtime.heads import HEAD_MAX_BYTES
from tests.nodes.runtime.running import CLUSTER_KEY, RunningNode

KEY = f"Authorization: Bearer {CLUSTER_KEY}\r\n".encode()
HEAD = b"GET /v1/health HTTP/1.1\r\nHost: node\r\n" + KEY


def connection(node: RunningNode) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.port), timeout=30)


def everything(client: socket.socket) -> bytes:
    """What the node says until it hangs up; TimeoutError when it does not."""
    said = b""
    try:
        while piece := client.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


def send_until_refused(client: socket.socket, data: bytes, times: int) -> int:
    """How often all of it could be sent."""
    for sent in range(times):
        try:
            client.sendall(data)
        except OSError:
            return sent
    return times


@pytest.mark.parametrize(
    "beginning",
    [HEAD + b"x-long: ", b"GET /", b"POST / HTTP/1.1\r\nx-", HEAD + b"x: 1\r\nx-long: "],
    ids=["value", "path", "name", "second"],
)
def test_a_head_that_does_not_end_is_refused(node: RunningNode, beginning: bytes) -> None:
    with connection(node) as client:
        client.sendall(beginning)
        assert send_until_refused(client, b"a" * HEAD_MAX_BYTES, 1000) < 1000
        assert everything(client).startswith(b"HTTP/1.1 431 ")
    assert node.http.get("/v1/health").status_code == 200


def test_many_headers_are_refused_as_well(node: RunningNode) -> None:
    with connection(node) as client:
        client.sendall(HEAD)
        assert send_until_refused(client, b"x: 1\r\n" * 10_000, 1000) < 1000
        assert everything(client).startswith(b"HTTP/1.1 431 ")


def test_lines_before_a_head_are_bounded(node: RunningNode) -> None:
    with connection(node) as client:
        assert send_until_refused(client, b"\r\n" * HEAD_MAX_BYTES, 1000) < 1000
        assert everything(client).startswith(b"HTTP/1.1 431 ")


def test_trailers_are_bounded(node: RunningNode) -> None:
    with connection(node) as client:
        client.sendall(
            b"PUT /v1/bundles/x HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n%b\r\n"
            b"4\r\n\0\0\0\1\r\n0\r\nx-long: " % KEY
        )
        assert send_until_refused(client, b"a" * HEAD_MAX_BYTES, 1000) < 1000
        everything(client)
    assert node.http.get("/v1/health").status_code == 200


def test_a_long_head_is_taken(node: RunningNode) -> None:
    answer = node.http.get("/v1/health", headers={"x-long": "a" * (HEAD_MAX_BYTES - 1000)})
    assert answer.status_code == 200


def test_a_head_beyond_the_limit_is_refused(node: RunningNode) -> None:
    answer = node.client().get("/v1/health", headers={"x-long": "a" * HEAD_MAX_BYTES})
    assert answer.status_code == 431


def test_many_requests_at_once_are_not_taken_for_a_long_head(node: RunningNode) -> None:
    with connection(node) as client:
        client.sendall((HEAD + b"\r\n") * 1000 + HEAD + b"Connection: close\r\n\r\n")
        assert everything(client).count(b"HTTP/1.1 200 ") == 1001
