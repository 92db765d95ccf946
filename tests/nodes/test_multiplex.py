"""Small scoring calls over one connection: the web node's side, against nodes of the test."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mlops.errors import BundleUnknown, Busy, NodeFailure, NodeTimeout
from nodes import multiplex
from nodes.compute_node import Answer, ComputeNode, close_connections
from nodes.multiplex import Multiplexed, connection_to
from nodes.runtime.multiplex import (
    ANSWER,
    CALL,
    CALL_BYTES,
    CANCEL,
    HEAD,
    PIECE,
    PREFACE,
    Frame,
    FrameReader,
    answer_frames,
    bye_frame,
    call_frame,
    cancel_frame,
)
from tests.nodes.loopback import Peer, Server, serving

KEY = "the-key-of-the-cluster"
OFFER = b"HTTP/1.1 200 OK\r\nX-Multiplex: 1"
OVER_HTTP = Answer(b"over HTTP", b"application/json")


@pytest.fixture(autouse=True)
def cluster_key(settings: Settings) -> None:
    settings.CLUSTER_KEY = KEY


class Link:
    """The node's side of a multiplexed connection."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    async def frame(self) -> Frame:
        """The next frame of the web node."""
        while not self._frames:
            data = await self._peer.reader.read(65536)
            if not data:
                raise ConnectionResetError
            self._frames.extend(self._reader.feed(data))
        return self._frames.pop(0)

    async def call(self) -> tuple[int, bytes]:
        """The number and the body of the next call."""
        kind, number, n_bundle, n_correlation, payload = await self.frame()
        assert kind == CALL
        return number, payload[n_bundle + n_correlation :]

    async def answer(self, number: int, body: bytes, status: int = 200) -> None:
        await self._peer.send(b"".join(answer_frames(number, status, body)))

    async def send(self, data: bytes) -> None:
        await self._peer.send(data)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def with_node(
    serve: Callable[[Link], Awaitable[None]],
    use: Callable[[ComputeNode, Server], Awaitable[None]],
    opening: bytes = PREFACE + b"\r\n",
) -> list[bytes]:
    """The first lines of all connections to a node that offers multiplexing, while `use` runs."""
    lines: list[bytes] = []

    async def handler(peer: Peer) -> None:
        line = await peer.reader.readuntil(b"\r\n")
        lines.append(line)
        if not line.startswith(PREFACE):
            await peer.reader.readuntil(b"\r\n\r\n")
            while True:
                await peer.answer(OVER_HTTP.body, head=OFFER)
                await peer.read_request()
        await peer.send(opening)
        await serve(Link(peer))
        await peer.until_closed()

    async def main() -> None:
        async with serving(handler) as server:
            node = ComputeNode(server.url)
            try:
                await use(node, server)
            finally:
                await close_connections()

    asyncio.run(main())
    return lines


def with_link(
    serve: Callable[[Link], Awaitable[None]],
    use: Callable[[ComputeNode, Multiplexed], Awaitable[None]],
) -> None:
    """As `with_node`, with the connection open."""

    async def use_open(node: ComputeNode, _: Server) -> None:
        assert await node.score("bundle", b"first") == OVER_HTTP
        await until(lambda: connection_to(node.address))
        connection = connection_to(node.address)
        assert connection is not None
        await use(node, connection)

    with_node(serve, use_open)


async def no_calls(_: Link) -> None:
    """Serve nothing."""


async def echo(link: Link) -> None:
    """Answer each call with its body."""
    while True:
        number, body = await link.call()
        await link.answer(number, body)


def test_the_first_call_goes_over_http_and_later_ones_over_the_connection_it_was_offered() -> None:
    async def use(node: ComputeNode, _: Multiplexed) -> None:
        assert await node.score("bundle", b"second") == Answer(b"second", b"application/json")

    with_link(echo, use)


def test_the_connection_begins_with_the_cluster_key() -> None:
    async def use(node: ComputeNode, _: Server) -> None:
        await node.score("bundle", b"first")
        await until(lambda: connection_to(node.address))

    lines = with_node(no_calls, use)
    assert lines[1] == b"MLOPS-MULTIPLEX/1 the-key-of-the-cluster\r\n"


def test_a_call_says_its_bundle_and_its_correlation_id() -> None:
    seen: list[Frame] = []

    async def serve(link: Link) -> None:
        seen.append(await link.frame())
        await link.answer(seen[0][1], b"{}")

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        await node.score("bundle", b"body", correlation_id="id-1")

    with_link(serve, use)
    assert seen[0][2:] == (6, 4, b"bundleid-1body")


def test_each_caller_gets_its_own_answer_in_whatever_order_they_come() -> None:
    async def serve(link: Link) -> None:
        calls = [await link.call() for _ in range(20)]
        for number, body in reversed(calls):
            await link.answer(number, b"answer to " + body)

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        bodies = [b"%d" % i for i in range(20)]
        answers = await asyncio.gather(*(node.score("bundle", body) for body in bodies))
        assert [answer.body for answer in answers] == [b"answer to " + body for body in bodies]

    with_link(serve, use)


def test_pieces_of_two_answers_may_alternate() -> None:
    async def serve(link: Link) -> None:
        (one, _), (other, _) = await link.call(), await link.call()
        await link.send(HEAD.pack(PIECE, one, 0, 0, 2) + b"on")
        await link.send(HEAD.pack(PIECE, other, 0, 0, 3) + b"oth")
        await link.send(HEAD.pack(ANSWER, one, 200, 0, 1) + b"e")
        await link.send(HEAD.pack(ANSWER, other, 200, 0, 2) + b"er")

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        answers = await asyncio.gather(node.score("bundle", b"1"), node.score("bundle", b"2"))
        assert [answer.body for answer in answers] == [b"one", b"other"]

    with_link(serve, use)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b'{"code":"bundle-unknown","message":"Send it."}', BundleUnknown),
        (503, b'{"code":"busy","message":"All shells are busy."}', Busy),
        (500, b"no JSON", NodeFailure),
    ],
)
def test_refusals_are_those_of_http(status: int, body: bytes, error: type[Exception]) -> None:
    async def serve(link: Link) -> None:
        number, _ = await link.call()
        await link.answer(number, body, status)

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        with pytest.raises(error):
            await node.score("bundle", b"body")

    with_link(serve, use)


def test_a_large_body_and_one_in_another_format_go_over_http() -> None:
    async def use(node: ComputeNode, _: Multiplexed) -> None:
        assert await node.score("bundle", b"x" * (CALL_BYTES + 1)) == OVER_HTTP
        assert await node.score("bundle", b"x", formats={"accept": "text/csv"}) == OVER_HTTP

    with_link(echo, use)


def test_a_lost_connection_fails_what_was_under_way_and_later_calls_go_over_http() -> None:
    async def serve(link: Link) -> None:
        await link.call()
        raise ConnectionResetError

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        with pytest.raises(NodeFailure, match="closed the connection"):
            await node.score("bundle", b"body")
        assert connection_to(node.address) is None
        assert await node.score("bundle", b"body") == OVER_HTTP

    with_link(serve, use)


def test_a_lost_connection_is_opened_anew() -> None:
    async def serve(link: Link) -> None:
        await link.call()
        raise ConnectionResetError

    async def use(node: ComputeNode, old: Multiplexed) -> None:
        with pytest.raises(NodeFailure):
            await node.score("bundle", b"body")
        await node.score("bundle", b"body")
        await until(lambda: connection_to(node.address))
        assert connection_to(node.address) is not old

    with_link(serve, use)


def test_a_call_beyond_its_deadline_is_taken_back(settings: Settings) -> None:
    cancelled = asyncio.Event()

    async def serve(link: Link) -> None:
        number, _ = await link.call()
        assert (await link.frame())[:2] == (CANCEL, number)
        cancelled.set()

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        settings.NODE_REQUEST_SECONDS = 0.05
        with pytest.raises(NodeTimeout, match="did not answer within"):
            await node.score("bundle", b"body")
        await asyncio.wait_for(cancelled.wait(), 20)

    with_link(serve, use)


def test_an_answer_that_comes_too_late_is_nobody_elses(settings: Settings) -> None:
    async def serve(link: Link) -> None:
        late, _ = await link.call()
        await link.frame()  # it is taken back
        number, _ = await link.call()
        await link.answer(late, b"late")
        await link.answer(number, b"in time")

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        settings.NODE_REQUEST_SECONDS = 0.05
        with pytest.raises(NodeTimeout):
            await node.score("bundle", b"slow")
        settings.NODE_REQUEST_SECONDS = 60
        assert (await node.score("bundle", b"quick")).body == b"in time"

    with_link(serve, use)


def test_a_caller_who_gives_up_takes_the_call_back() -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def serve(link: Link) -> None:
        number, _ = await link.call()
        arrived.set()
        assert (await link.frame())[:2] == (CANCEL, number)
        cancelled.set()

    async def use(node: ComputeNode, connection: Multiplexed) -> None:
        caller = asyncio.create_task(node.score("bundle", b"body"))
        await asyncio.wait_for(arrived.wait(), 20)
        caller.cancel()
        await asyncio.wait_for(cancelled.wait(), 20)
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert connection.is_usable

    with_link(serve, use)


def test_what_makes_no_sense_ends_the_connection_and_the_calls_on_it() -> None:
    async def serve(link: Link) -> None:
        await link.call()
        await link.send(HEAD.pack(ANSWER, 1, 200, 0, 2**31))

    async def use(node: ComputeNode, connection: Multiplexed) -> None:
        with pytest.raises(NodeFailure):
            await node.score("bundle", b"body")
        assert not connection.is_usable

    with_link(serve, use)


def test_a_node_that_stops_gets_no_further_call_but_answers_those_under_way() -> None:
    async def serve(link: Link) -> None:
        number, _ = await link.call()
        await link.send(bye_frame())
        await link.answer(number, b"the last one")

    async def use(node: ComputeNode, connection: Multiplexed) -> None:
        assert (await node.score("bundle", b"body")).body == b"the last one"
        assert await node.score("bundle", b"body") == OVER_HTTP
        await until(lambda: connection.is_over)

    with_link(serve, use)


def test_a_node_that_stops_is_left_when_nothing_is_under_way() -> None:
    async def serve(link: Link) -> None:
        await link.send(bye_frame())

    async def use(node: ComputeNode, server: Server) -> None:
        await node.score("bundle", b"body")
        await asyncio.wait_for(server.closed.wait(), 20)

    with_node(serve, use)


def test_a_node_that_does_not_agree_after_all_is_not_asked_for_each_call() -> None:
    async def use(node: ComputeNode, server: Server) -> None:
        await node.score("bundle", b"body")
        await asyncio.wait_for(server.closed.wait(), 20)
        for _ in range(5):
            assert await node.score("bundle", b"body") == OVER_HTTP
        assert server.n_connections == 2

    with_node(no_calls, use, b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_connection_that_was_not_agreed_on_yet_is_closed_with_the_others() -> None:
    """The node takes it and says nothing: no connection may outlive its event loop."""

    async def use(node: ComputeNode, server: Server) -> None:
        await node.score("bundle", b"body")
        await until(lambda: server.n_connections == 2)
        await close_connections()
        await until(lambda: server.n_closed == 2)

    with_node(no_calls, use, b"")


def test_an_answer_without_end_fails_its_caller_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.hop.MAX_BODY_BYTES", 100)

    async def serve(link: Link) -> None:
        number, _ = await link.call()
        other, _ = await link.call()
        for _ in range(3):
            await link.send(HEAD.pack(PIECE, number, 0, 0, 50) + b"x" * 50)
        await link.answer(other, b"right")

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        long = asyncio.create_task(node.score("bundle", b"long"))
        await asyncio.sleep(0)
        assert (await node.score("bundle", b"short")).body == b"right"
        with pytest.raises(NodeFailure, match="more than 100 bytes"):
            await long

    with_link(serve, use)


def test_numbers_begin_anew_and_leave_out_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplex, "_LAST_NUMBER", 2)
    numbers: list[int] = []

    async def serve(link: Link) -> None:
        while True:
            number, body = await link.call()
            numbers.append(number)
            if body != b"long":
                await link.answer(number, body)

    async def use(node: ComputeNode, _: Multiplexed) -> None:
        long = asyncio.create_task(node.score("bundle", b"long"))
        await asyncio.sleep(0)
        for _ in range(3):
            await node.score("bundle", b"short")
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long

    with_link(serve, use)
    assert numbers == [1, 2, 2, 2]


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.sampled_from([200, 404, 503])), max_size=5),
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_frames_are_the_same_however_the_stream_is_cut(
    answers: list[tuple[bytes, int]], cuts: list[int]
) -> None:
    stream = b"".join(
        frame
        for number, (body, status) in enumerate(answers)
        for frame in answer_frames(number, status, body)
    )
    reader = FrameReader()
    found: list[Frame] = []
    place = index = 0
    while place < len(stream):
        size = cuts[index % len(cuts)]
        found.extend(reader.feed(stream[place : place + size]))
        place, index = place + size, index + 1
    assert [(number, status, body) for _, number, status, _, body in found] == [
        (number, status, body) for number, (body, status) in enumerate(answers)
    ]


def test_frames_of_calls_hold_what_was_put_in() -> None:
    data = call_frame(7, b"bundle", b"", b"{}") + cancel_frame(7)
    assert list(FrameReader().feed(data)) == [(CALL, 7, 6, 0, b"bundle{}"), (CANCEL, 7, 0, 0, b"")]
