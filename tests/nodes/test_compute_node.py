"""The typed client of a compute node."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from mlops.errors import (
    BundleUnknown,
    Busy,
    Gone,
    InvalidRequest,
    MlopsError,
    NodeError,
    NodeFailure,
    NodeTimeout,
    NotFound,
    PoolMissing,
    TooLarge,
)
from nodes.compute_node import Answer, ComputeNode, close_connections
from tests.nodes.loopback import Peer, serving

SESSION = UUID("6f1a3c80-0000-4000-8000-000000000001")
KEY = "the-key-of-the-cluster"
Call = Callable[[ComputeNode], Awaitable[Any]]


@pytest.fixture(autouse=True)
def cluster_key(settings: Settings) -> None:
    settings.CLUSTER_KEY = KEY


def ask(call: Call, answer: bytes = b"{}", status: str = "200 OK") -> tuple[Any, bytes, bytes]:
    """What `call` returned, and the head and body that the node got."""
    seen: list[tuple[bytes, bytes]] = []

    async def handler(peer: Peer) -> None:
        seen.append(await peer.read_request())
        await peer.answer(answer, head=b"HTTP/1.1 " + status.encode())

    async def main() -> Any:
        async with serving(handler) as server:
            try:
                return await call(ComputeNode(f"{server.url}/"))
            finally:
                await close_connections()

    result = asyncio.run(main())
    return result, *seen[0]


def refused(call: Call, status: str, answer: bytes) -> MlopsError:
    """The error that `call` raised."""
    with pytest.raises(MlopsError) as caught:
        ask(call, answer, status)
    return caught.value


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(node: ComputeNode) -> bytes:
    return b"".join([chunk async for chunk in await node.get_object(SESSION, "x")])


async def put(node: ComputeNode) -> None:
    await node.put_object(SESSION, "x", chunks(b"a", b"b"))


async def score(node: ComputeNode) -> Answer:
    return await node.score("b1", b'{"x":1}')


def test_every_call_carries_the_cluster_key() -> None:
    _, head, _ = ask(lambda node: node.list_objects(SESSION), b'{"objects":[]}')
    assert f"Authorization: Bearer {KEY}\r\n".encode() in head


def test_scoring_passes_the_bytes_both_ways_untouched() -> None:
    result, head, body = ask(
        lambda node: node.score("b1", b' {"x" : NaN}', correlation_id="c1"), b'{"success":true}'
    )
    assert result == (b'{"success":true}', b"application/json")
    assert body == b' {"x" : NaN}'
    assert head.startswith(b"POST /v1/bundles/b1/score HTTP/1.1\r\n")
    assert b"X-Correlation-Id: c1\r\n" in head


def test_headers_that_name_formats_go_to_the_node() -> None:
    _, head, _ = ask(lambda node: node.score("b1", b"x", formats={"content-type": "text/csv"}))
    assert b"content-type: text/csv\r\n" in head


def test_a_bundle_is_length_manifest_payload() -> None:
    _, head, body = ask(
        lambda node: node.put_bundle("b1", b"{}", chunks(b"zip")), status="201 Created"
    )
    assert head.startswith(b"PUT /v1/bundles/b1 HTTP/1.1\r\n")
    assert body == b"\0\0\0\x02{}zip"


def test_a_bundle_without_payload_ends_with_its_manifest() -> None:
    assert ask(lambda node: node.put_bundle("b1", b"{}"))[2] == b"\0\0\0\x02{}"


@pytest.mark.parametrize(
    ("call", "request_line"),
    [
        (lambda node: node.open_session(SESSION, "R"), "POST /v1/sessions"),
        (lambda node: node.close_session(SESSION), f"DELETE /v1/sessions/{SESSION}"),
        (
            lambda node: node.close_session(SESSION, force=True),
            f"DELETE /v1/sessions/{SESSION}?force=1",
        ),
        (
            lambda node: node.put_pool("b1", initial_size=1, max_size=2),
            "PUT /v1/bundles/b1/pool",
        ),
        (lambda node: node.delete_pool("b1"), "DELETE /v1/bundles/b1/pool"),
        (put, f"PUT /v1/sessions/{SESSION}/workspace/x"),
        (read, f"GET /v1/sessions/{SESSION}/workspace/x"),
        (
            lambda node: node.delete_object(SESSION, "a b/é?%"),
            f"DELETE /v1/sessions/{SESSION}/workspace/a%20b%2F%C3%A9%3F%25",
        ),
        (lambda node: node.save_snapshot(SESSION), f"POST /v1/sessions/{SESSION}/snapshot"),
        (
            lambda node: node.load_snapshot(SESSION, chunks(b"zip")),
            f"PUT /v1/sessions/{SESSION}/snapshot",
        ),
    ],
)
def test_each_call_has_its_route(call: Call, request_line: str) -> None:
    assert ask(call)[1].startswith(f"{request_line} HTTP/1.1\r\n".encode())


def test_opening_a_session_names_it_and_its_runtime() -> None:
    _, _, body = ask(lambda node: node.open_session(SESSION, "R"))
    assert json.loads(body) == {"id": str(SESSION), "runtime": "R"}


def test_an_object_is_sent_and_read_as_bytes() -> None:
    assert ask(put)[2] == b"ab"
    assert ask(read, b"\x80\x04")[0] == b"\x80\x04"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "invalid-input", InvalidRequest),
        ("400 Bad Request", "object-invalid", InvalidRequest),
        ("404 Not Found", "bundle-unknown", BundleUnknown),
        ("404 Not Found", "session-unknown", Gone),
        ("404 Not Found", "object-unknown", NotFound),
        ("404 Not Found", "something-else", NodeError),
        ("413 Content Too Large", "too-large", TooLarge),
        ("500 Internal Server Error", "session-failed", NodeError),
        ("503 Service Unavailable", "busy", Busy),
        ("503 Service Unavailable", "pool-missing", PoolMissing),
        ("503 Service Unavailable", "runtime-unavailable", Busy),
    ],
)
@pytest.mark.parametrize("call", [score, read, put], ids=["whole", "streamed", "sent"])
def test_each_refusal_is_an_error_of_its_own(
    call: Call, status: str, code: str, kind: type[MlopsError]
) -> None:
    answer = json.dumps({"code": code, "message": "its words", "fields": "x"}).encode()
    error = refused(call, status, answer)
    assert type(error) is kind
    assert "its words" in error.message
    assert error.fields == ("x" if kind is InvalidRequest else "")


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'"text"', b'{"code":1}'])
def test_a_refusal_that_says_nothing_is_a_failure_of_the_node(answer: bytes) -> None:
    error = refused(score, "404 Not Found", answer)
    assert type(error) is NodeFailure
    assert "answered 404" in error.message


def test_a_wrong_cluster_key_is_explained_without_showing_it() -> None:
    answer = json.dumps({"code": "not-authorized", "message": f"not {KEY}"}).encode()
    error = refused(score, "401 Unauthorized", answer)
    assert type(error) is NodeFailure
    assert "MLOPS_CLUSTER_KEY" in error.message
    assert KEY not in error.message


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"status":"ok"}', b'{"runtimes":1}'])
def test_something_else_at_the_address_is_no_node(answer: bytes) -> None:
    error = refused(lambda node: node.health(seconds=5), "200 OK", answer)
    assert type(error) is NodeFailure
    assert "does not answer as a compute node does" in error.message


@pytest.mark.parametrize("answer", [b"{}", b'{"objects":1}'])
def test_a_list_of_objects_that_is_none_is_a_failure_of_the_node(answer: bytes) -> None:
    error = refused(lambda node: node.list_objects(SESSION), "200 OK", answer)
    assert type(error) is NodeFailure


@pytest.mark.parametrize(
    "answer",
    [b'{"pools":[]}', b'{"pools":[{}],"receiving":[]}', b'{"pools":[1],"receiving":[]}'],
)
def test_a_list_of_pools_that_is_none_is_a_failure_of_the_node(answer: bytes) -> None:
    error = refused(lambda node: node.pools(seconds=5), "200 OK", answer)
    assert type(error) is NodeFailure


def test_a_redirect_is_not_followed() -> None:
    error = refused(score, "302 Found\r\nLocation: http://127.0.0.1:1/", b"")
    assert type(error) is NodeFailure


def test_the_deadline_is_the_setting(settings: Settings) -> None:
    settings.NODE_REQUEST_SECONDS = 0.05

    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.until_closed()

        async with serving(handler) as server:
            with pytest.raises(NodeTimeout):
                await score(ComputeNode(server.url))

    asyncio.run(main())
