"""The client to compute nodes against servers that misbehave."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mlops.errors import NodeFailure, NodeTimeout, NodeUnreachable
from nodes import hop
from tests.nodes.loopback import Handler, Peer, serving

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on a loop of its own."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    async def closing(main: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await main
        finally:
            await hop.close_idle()

    def run_it(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(closing(main))

    return run_it


async def get(url: str, **options: Any) -> hop.Response:
    return await hop.request("GET", url, **{"deadline_seconds": 10, **options})


async def post(url: str, body: Any, **options: Any) -> hop.Response:
    return await hop.request("POST", url, body=body, **{"deadline_seconds": 10, **options})


async def answering(peer: Peer) -> None:
    """A well-behaved node: echoes every body."""
    while True:
        _, body = await peer.read_request()
        await peer.answer(body)


def sending(*pieces: bytes) -> Handler:
    """A node that reads one request, sends `pieces` and closes."""

    async def handler(peer: Peer) -> None:
        await peer.read_request()
        for piece in pieces:
            await peer.send(piece)

    return handler


def silent(received: asyncio.Event) -> Handler:
    """A node that reads one request and never answers."""

    async def handler(peer: Peer) -> None:
        await peer.read_head()
        received.set()
        await peer.until_closed()

    return handler


async def iterate(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# Plain exchanges.


def test_the_answer_has_status_headers_and_body(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.answer(b'{"a":1}', head=b"HTTP/1.1 404 Not Found\r\nX-Kind: thing")

        async with serving(handler) as server:
            response = await get(f"{server.url}/a?b=c")
            assert response.status == 404
            assert response.header("x-KIND") == "thing"
            assert response.header("absent") == ""
            assert response.body == b'{"a":1}'

    run(main())


def test_the_request_carries_line_host_headers_and_length(run: Run) -> None:
    async def main() -> None:
        seen = []

        async def handler(peer: Peer) -> None:
            seen.append(await peer.read_request())
            await peer.answer()

        async with serving(handler) as server:
            await post(f"{server.url}/a/b%2Fc?d=e", b"body", headers={"X-One": "1"})
            assert seen == [
                (
                    b"POST /a/b%2Fc?d=e HTTP/1.1\r\nHost: 127.0.0.1:"
                    + str(server.port).encode()
                    + b"\r\nX-One: 1\r\nContent-Length: 4\r\n\r\n",
                    b"body",
                )
            ]

    run(main())


def test_a_post_without_a_body_announces_length_zero(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.answer(await peer.read_head())

        async with serving(handler) as server:
            assert b"Content-Length: 0\r\n" in (await post(server.url, None)).body

    run(main())


def test_small_requests_leave_in_one_piece(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.answer(b"%d" % len(await peer.reader.read(100_000)))

        async with serving(handler) as server:
            assert int((await post(server.url, b"x" * 10_000)).body) > 10_000

    run(main())


def test_nagle_is_off(run: Run) -> None:
    async def main() -> None:
        async with serving(answering) as server:
            await get(server.url)
            (idle,) = hop._pool_of(asyncio.get_running_loop())._idle.values()
            sock = idle[0]._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

    run(main())


def test_interim_answers_are_skipped(run: Run) -> None:
    async def main() -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with serving(sending(interim, final)) as server:
            response = await get(server.url)
            assert (response.status, response.body) == (200, b"ok")
            assert response.header("link") == ""

    run(main())


def test_a_chunked_answer_is_joined(run: Run) -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with serving(sending(head, b"3\r\nab", b"c\r\n2\r\nde\r\n0\r\n\r\n")) as server:
            assert (await get(server.url)).body == b"abcde"

    run(main())


def test_an_answer_that_arrives_byte_by_byte_is_read(run: Run) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        async with serving(sending(*(bytes([byte]) for byte in answer))) as server:
            assert (await get(server.url)).body == b"hello"

    run(main())


# Keeping connections.


def test_requests_one_after_the_other_share_a_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(answering) as server:
            for number in range(20):
                assert (await post(server.url, b"%d" % number)).body == b"%d" % number
            assert server.n_connections == 1

    run(main())


def test_requests_at_the_same_time_never_share_a_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(answering) as server:
            bodies = [b"%d" % number for number in range(50)]
            answers = await asyncio.gather(*(post(server.url, body) for body in bodies))
            assert [answer.body for answer in answers] == bodies
            assert server.n_connections == 50

    run(main())


def test_only_so_many_idle_connections_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop, "_MAX_IDLE", 3)

    async def main() -> None:
        async with serving(answering) as server:
            await asyncio.gather(*(post(server.url, b"x") for _ in range(10)))
            while server.n_closed < 7:
                await asyncio.sleep(0)
            assert server.n_connections - server.n_closed == 3

    run(main())


def test_idle_connections_are_closed_after_a_while(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hop, "_IDLE_SECONDS", 0.01)

    async def main() -> None:
        async with serving(answering) as server:
            await get(server.url)
            await server.closed.wait()

    run(main())


def test_a_connection_the_node_closes_after_answering_is_not_used_again(run: Run) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        async with serving(sending(answer)) as server:
            for _ in range(3):
                assert (await get(server.url)).body == b"ok"
            assert server.n_connections == 3

    run(main())


def test_an_idle_connection_the_node_has_closed_is_replaced_before_writing(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.answer()

        async with serving(handler) as server:
            await get(server.url)
            pool = hop._pool_of(asyncio.get_running_loop())
            (idle,) = pool._idle.values()
            while idle[0].is_usable:
                await asyncio.sleep(0)
            assert (await get(server.url)).status == 200
            assert server.n_connections == 2

    run(main())


def test_a_reused_connection_closed_without_an_answer_may_have_run(run: Run) -> None:
    async def main() -> None:
        n_requests = 0

        async def handler(peer: Peer) -> None:
            nonlocal n_requests
            await peer.read_request()
            n_requests += 1
            await peer.answer()
            await peer.read_request()
            n_requests += 1

        async with serving(handler) as server:
            await get(server.url)
            with pytest.raises(NodeFailure, match="closed the connection"):
                await get(server.url)
            assert n_requests == 2

    run(main())


def test_bytes_beyond_the_answer_reach_nobody(run: Run) -> None:
    async def main() -> None:
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
        forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        async with serving(sending(good + forged)) as server:
            assert (await get(server.url)).body == b"mine"
            assert (await get(server.url)).body == b"mine"
            assert server.n_connections == 2

    run(main())


def test_garbage_beyond_the_answer_ends_the_connection(run: Run) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine\0\0garbage"
        async with serving(sending(answer)) as server:
            assert (await get(server.url)).body == b"mine"
            assert (await get(server.url)).body == b"mine"
            assert server.n_connections == 2

    run(main())


def test_bytes_on_an_idle_connection_end_it(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.answer()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await peer.until_closed()

        async with serving(handler) as server:
            await get(server.url)
            await server.closed.wait()
            assert (await get(server.url)).body == b"ok"

    run(main())


def test_each_event_loop_has_connections_of_its_own() -> None:
    async def main() -> None:
        async with serving(answering) as server:
            await get(server.url)
            await asyncio.to_thread(asyncio.run, elsewhere(server.url))
            assert server.n_connections == 2

    async def elsewhere(url: str) -> None:
        await get(url)
        await hop.close_idle()

    async def whole() -> None:
        await main()
        await hop.close_idle()

    asyncio.run(whole())


# What cannot have run.


def test_a_refused_connection_cannot_have_run(run: Run) -> None:
    with pytest.raises(NodeUnreachable) as caught:
        run(get(f"http://127.0.0.1:{unused_port()}"))
    assert caught.value.is_refused


def test_refusals_of_every_address_of_a_name_count_as_refused(run: Run) -> None:
    with pytest.raises(NodeUnreachable) as caught:
        run(get(f"http://localhost:{unused_port()}"))
    assert caught.value.is_refused


def test_a_name_nobody_knows_cannot_have_run(run: Run) -> None:
    with pytest.raises(NodeUnreachable) as caught:
        run(get("http://no-such-node.invalid:12805"))
    assert not caught.value.is_refused


def test_a_name_that_no_host_can_have_cannot_have_run(run: Run) -> None:
    with pytest.raises(NodeUnreachable):
        run(get(f"http://{'x' * 70}.test:12805"))


def test_a_node_that_does_not_accept_cannot_have_run(run: Run) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(3)]  # fill its queue
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            with pytest.raises(NodeUnreachable, match="did not accept") as caught:
                run(get(f"http://127.0.0.1:{address[1]}", connect_seconds=0.1))
            assert not caught.value.is_refused
        finally:
            for one in waiting:
                one.close()


def test_a_server_without_tls_cannot_have_run(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with serving(handler) as server:
            with pytest.raises(NodeUnreachable):
                await get(server.url.replace("http", "https"))

    run(main())


# What may have run.


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",),
        (b"HTTP/1.1 200 OK\r\n\r\nno length, so it could be cut short",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
    ],
    ids=["nothing", "half-head", "half-body", "half-chunk", "no-length", "ssh", "smuggling", "101"],
)
def test_a_broken_answer_may_have_run(run: Run, pieces: tuple[bytes, ...]) -> None:
    async def main() -> None:
        async with serving(sending(*pieces)) as server:
            with pytest.raises(NodeFailure):
                await get(server.url)

    run(main())


def test_endless_headers_are_cut_off(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                await peer.send(b"X-More: and more\r\n" * 100)

        async with serving(handler) as server:
            with pytest.raises(NodeFailure, match="too many headers"):
                await get(server.url)

    run(main())


def test_an_answer_beyond_the_limit_is_cut_off(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.answer(b"x" * 1001)

        async with serving(handler) as server:
            with pytest.raises(NodeFailure, match="more than 1000 bytes"):
                await get(server.url, max_body_bytes=1000)

    run(main())


def test_no_answer_by_the_deadline_is_a_timeout_and_closes(run: Run) -> None:
    async def main() -> None:
        async with serving(silent(asyncio.Event())) as server:
            with pytest.raises(NodeTimeout):
                await get(server.url, deadline_seconds=0.05)
            await server.closed.wait()

    run(main())


def test_half_an_answer_by_the_deadline_is_a_timeout(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await peer.until_closed()

        async with serving(handler) as server:
            with pytest.raises(NodeTimeout):
                await get(server.url, deadline_seconds=0.05)

    run(main())


def test_cancelling_closes_the_connection(run: Run) -> None:
    async def main() -> None:
        received = asyncio.Event()
        async with serving(silent(received)) as server:
            task = asyncio.ensure_future(get(server.url))
            await received.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.closed.wait()

    run(main())


# Bodies sent piece by piece.


def test_an_iterated_body_is_sent_chunked(run: Run) -> None:
    async def main() -> None:
        async with serving(answering) as server:
            response = await post(server.url, iterate(b"one ", b"", b"two"))
            assert response.body == b"one two"
            assert (await post(server.url, b"again")).body == b"again"
            assert server.n_connections == 1

    run(main())


def test_an_iterated_body_of_known_length_is_sent_plain(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            head, body = await peer.read_request()
            assert b"Content-Length: 7\r\n" in head
            await peer.answer(body)

        async with serving(handler) as server:
            response = await post(server.url, iterate(b"one ", b"two"), content_length=7)
            assert response.body == b"one two"

    run(main())


@pytest.mark.parametrize("length", [6, 8])
def test_a_body_of_another_length_than_announced_ends_the_connection(run: Run, length: int) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_head()
            await peer.until_closed()

        async with serving(handler) as server:
            with pytest.raises(ValueError, match=f"{length} bytes announced"):
                await post(server.url, iterate(b"one ", b"two"), content_length=length)
            await server.closed.wait()

    run(main())


def test_an_error_of_the_body_comes_through_and_ends_the_connection(run: Run) -> None:
    async def main() -> None:
        async def breaking() -> AsyncIterator[bytes]:
            yield b"one"
            raise LookupError("the source is gone")

        async with serving(silent(asyncio.Event())) as server:
            with pytest.raises(LookupError):
                await post(server.url, breaking())
            await server.closed.wait()

    run(main())


def test_an_early_answer_ends_the_sending(run: Run) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
            finally:
                ended.set()

        async def handler(peer: Peer) -> None:
            await peer.read_head()
            await peer.answer(b"too much", head=b"HTTP/1.1 413 Content Too Large")
            await peer.until_closed()

        body = endless()
        async with serving(handler) as server:
            response = await post(server.url, body)
            assert (response.status, response.body) == (413, b"too much")
            await body.aclose()
            assert ended.is_set()
            await server.closed.wait()

    run(main())


def test_an_iterated_body_is_sent_no_faster_than_it_is_read(run: Run) -> None:
    async def main() -> None:
        n_taken = 0
        go_on = asyncio.Event()

        async def counting() -> AsyncIterator[bytes]:
            nonlocal n_taken
            for _ in range(400):
                n_taken += 1
                yield b"x" * 65536

        async def handler(peer: Peer) -> None:
            head = await peer.read_head()
            await go_on.wait()
            rest = 0
            while rest < 400 * 65536:
                rest += len(await peer.reader.read(2**20))
            await peer.answer(head)

        async with serving(handler) as server:
            task = asyncio.ensure_future(post(server.url, counting(), content_length=400 * 65536))
            last = -1
            while n_taken != last:  # until it stands still
                last = n_taken
                await asyncio.sleep(0.05)
            assert 0 < n_taken < 400
            go_on.set()
            assert (await task).status == 200

    run(main())


# Answers read piece by piece.


def test_a_streamed_answer_is_handed_out_before_it_is_whole(run: Run) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
            await go_on.wait()
            await peer.send(b"two")
            await peer.until_closed()

        async with serving(handler) as server, await get(server.url, stream=True) as response:
            assert await anext(response) == b"one"
            go_on.set()
            assert [chunk async for chunk in response] == [b"two"]

    run(main())


def test_a_hundred_megabytes_stream_through_bounded_memory(run: Run) -> None:
    async def main() -> None:
        piece = bytes(range(256)) * 4096

        async def handler(peer: Peer) -> None:
            while True:
                await peer.read_request()
                await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(100):
                    await peer.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
                await peer.send(b"0\r\n\r\n")

        async with serving(handler) as server:
            response = await get(server.url, stream=True)
            n_bytes = most_waiting = 0
            async for chunk in response:
                most_waiting = max(most_waiting, response._buffered)
                n_bytes += len(chunk)
                await asyncio.sleep(0)
            assert n_bytes == 100 * len(piece)
            assert most_waiting < 2**20
            assert len((await get(server.url)).body) == n_bytes
            assert server.n_connections == 1

    run(main())


def test_a_node_is_held_back_while_nobody_reads_its_stream(run: Run) -> None:
    async def main() -> None:
        n_sent = 0

        async def handler(peer: Peer) -> None:
            nonlocal n_sent
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (400 * 65536))
            for _ in range(400):
                await peer.send(b"x" * 65536)
                n_sent += 1

        async with serving(handler) as server:
            response = await get(server.url, stream=True)
            last = -1
            while n_sent != last:  # until it stands still
                last = n_sent
                await asyncio.sleep(0.05)
            assert n_sent < 400
            assert sum([len(chunk) async for chunk in response]) == 400 * 65536

    run(main())


def test_closing_a_stream_early_closes_its_connection(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
            await peer.until_closed()

        async with serving(handler) as server:
            async with await get(server.url, stream=True) as response:
                assert await anext(response) == b"one"
            await server.closed.wait()

    run(main())


def test_a_stream_that_breaks_off_fails_for_its_reader(run: Run) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"
        async with serving(sending(answer)) as server:
            response = await get(server.url, stream=True)
            with pytest.raises(NodeFailure):
                assert [chunk async for chunk in response] == [b"one"]

    run(main())


def test_the_deadline_covers_the_stream(run: Run) -> None:
    async def main() -> None:
        async def handler(peer: Peer) -> None:
            await peer.read_request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
            await peer.until_closed()

        async with serving(handler) as server:
            response = await get(server.url, stream=True, deadline_seconds=0.1)
            with pytest.raises(NodeTimeout):
                assert [chunk async for chunk in response] == [b"one"]

    run(main())


# Refused before anything is sent.


@pytest.mark.parametrize("value", ["a\r\nX-Forged: 1", "a\nb", "a\rb", "a\0b", "snow ☃"])
def test_a_header_cannot_smuggle_another(run: Run, value: str) -> None:
    async def main() -> None:
        async with serving(answering) as server:
            with pytest.raises(ValueError, match=r"."):
                await get(server.url, headers={"X-One": value})
            assert server.n_connections == 0

    run(main())


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http:///a", "http://127.0.0.1/a b", "http://127.0.0.1/☃"]
)
def test_an_address_that_cannot_be_right_is_refused(run: Run, url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        run(get(url))


def test_head_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="HEAD"):
        run(hop.request("HEAD", "http://127.0.0.1:1", deadline_seconds=1))


# TLS.


def test_tls_is_spoken_with_the_context_given(run: Run, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=str(certificate))

    async def main() -> None:
        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            for _ in range(2):
                _, body = await peer.read_request()
                await peer.answer(body)
            writer.transport.abort()

        listener = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=server_context)
        port = listener.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}/"
        try:
            for body in (b"one", b"x" * 300_000):
                assert (await post(url, body, ssl_context=client_context)).body == body
            with pytest.raises(NodeUnreachable, match="certificate"):
                await get(url)
        finally:
            listener.close()

    run(main())


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "cert.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
