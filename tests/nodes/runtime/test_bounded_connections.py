"""What a connection may cost a compute node before anybody has shown the cluster key on it."""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from nodes.runtime.heads import HEAD_MAX_BYTES
from nodes.runtime.multiplex import PREFACE
from tests.nodes.runtime.running import CLUSTER_KEY, RunningNode, start_node

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


def status(client: socket.socket) -> int:
    """That of the next answer, which is read to its end."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


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


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that gives heads a second, and takes ten connections without a key."""
    node = start_node(
        tmp_path_factory.mktemp("hasty"),
        environment={"MLOPS_RSCRIPT": "/nonexistent/Rscript"},
        prelude="from nodes.runtime import heads, multiplex_server; "
        "heads.HEAD_SECONDS = heads.REST_SECONDS = 1; multiplex_server.UNPROVEN_MAX = 10",
    )
    yield node
    node.stop()


@pytest.mark.parametrize(
    "beginning",
    [b"", HEAD, b"\r\n", PREFACE, PREFACE + b" half a k"],
    ids=["silent", "head", "line", "bare-preface", "preface"],
)
def test_a_connection_that_asks_nothing_in_time_is_closed(
    hasty: RunningNode, beginning: bytes
) -> None:
    with connection(hasty) as client:
        client.sendall(beginning)
        assert everything(client) == b""


def test_a_head_that_comes_in_drops_is_not_waited_for(hasty: RunningNode) -> None:
    with connection(hasty) as client:
        client.settimeout(0.1)
        until = time.monotonic() + 30
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < until:
                client.sendall(b"a")
                with contextlib.suppress(TimeoutError):
                    if not client.recv(1):
                        break
        assert time.monotonic() < until


def test_half_a_later_head_is_not_waited_for(hasty: RunningNode) -> None:
    with connection(hasty) as client:
        client.sendall(HEAD + b"\r\n")
        assert status(client) == 200
        client.sendall(HEAD)
        assert everything(client).count(b"HTTP/1.1") == 0


def test_a_kept_connection_outlasts_the_time_for_a_head(hasty: RunningNode) -> None:
    with connection(hasty) as kept, connection(hasty) as other:
        kept.sendall(HEAD + b"\r\n")
        assert status(kept) == 200
        assert everything(other) == b""  # that took the whole time
        kept.sendall(HEAD + b"\r\n")
        assert status(kept) == 200


def test_a_shared_connection_outlasts_it_too(hasty: RunningNode) -> None:
    with connection(hasty) as kept, connection(hasty) as other:
        kept.sendall(b"%b %b\r\n" % (PREFACE, CLUSTER_KEY.encode()))
        assert kept.recv(65536) == PREFACE + b"\r\n"
        assert everything(other) == b""
        kept.settimeout(0.1)
        with pytest.raises(TimeoutError):
            kept.recv(1)


def test_the_body_of_a_refused_request_is_not_read(node: RunningNode) -> None:
    with connection(node) as client:
        client.sendall(
            b"PUT /v1/bundles/x HTTP/1.1\r\nHost: n\r\nContent-Length: 900000000\r\n\r\n"
        )
        said = everything(client)
        assert said.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close\r\n" in said
        assert send_until_refused(client, bytes(1_000_000), 900) < 100


def test_what_is_left_of_a_refused_body_is_not_waited_for(hasty: RunningNode) -> None:
    with connection(hasty) as client:
        client.sendall(b"POST /v1/bundles/x/score HTTP/1.1\r\nContent-Length: 900\r\n%b\r\n" % KEY)
        assert status(client) == 404
        client.sendall(b"a")
        assert everything(client).count(b"HTTP/1.1") == 0


def test_the_oldest_connection_without_a_key_makes_room(hasty: RunningNode) -> None:
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(connection(hasty))
        kept.sendall(HEAD + b"\r\n")
        assert status(kept) == 200
        silent = [stack.enter_context(connection(hasty)) for _ in range(11)]
        silent[0].settimeout(30)
        assert everything(silent[0]) == b""
        silent[10].sendall(HEAD + b"\r\n")
        assert status(silent[10]) == 200
        kept.sendall(HEAD + b"\r\n")
        assert status(kept) == 200
    assert hasty.http.get("/v1/health").status_code == 200
