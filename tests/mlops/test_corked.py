"""Answers of a server whose heads leave with the first piece of their bodies."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from mlops.corked import CorkedHttpProtocol
from tests.ports import free_port

App = Callable[..., Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, Any]], Any]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
EXPECTING = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
HEAD_OF_5 = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MIB = 1024**2


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on a loop of its own, on which nothing may have failed."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    async def watched(main: Coroutine[Any, Any, Any]) -> Any:
        failures: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        async with asyncio.timeout(60):
            result = await main
        assert failures == []
        return result

    def run_it(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(watched(main))

    return run_it


# Applications.


def sized(*pieces: bytes) -> App:
    """Answers with a body whose size it announces, in these pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head(sum(map(len, pieces))))
        for piece in pieces:
            await send(body(piece, more=True))
        await send(body(b""))

    return app


def small(content: bytes) -> App:
    """Answers as most of ours: a head and one body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head(len(content)))
        await send(body(content))

    return app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path and the body of the request."""
    content: bytes = scope["raw_path"]
    while True:
        message = await receive()
        content += message["body"]
        if not message["more_body"]:
            break
    await small(content)(scope, receive, send)


def head(size: int | None = None) -> dict[str, Any]:
    headers = [] if size is None else [(b"content-length", b"%d" % size)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(content: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


# A server and its clients.


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """The body of an answer that announces its size."""
        lines = (await self.head()).split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 200 OK"
        (size,) = (line for line in lines if line.startswith(b"content-length: "))
        return await self.reader.readexactly(int(size.partition(b": ")[2]))

    async def piece(self) -> bytes:
        """The next piece of an answer in chunks."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await self.reader.read()


class Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


def config_of(app: App, port: int = 0) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=CorkedHttpProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )


@asynccontextmanager
async def client_of(app: App) -> AsyncIterator[Client]:
    """A client of a server that runs meanwhile."""
    port = free_port()
    server = Server(config_of(app, port))
    serving = asyncio.create_task(server.serve())
    await server.is_up.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * MIB)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await serving


def test_a_small_answer_is_whole(run: Run) -> None:
    async def main() -> None:
        async with client_of(small(b"hello")) as client:
            client.send(CLOSING)
            expected = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
            assert await client.rest() == expected

    run(main())


def test_a_connection_takes_one_call_after_the_other(run: Run) -> None:
    async def main() -> None:
        async with client_of(echo) as client:
            for number in range(5):
                path = b"/%d" % number
                client.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                assert await client.answer() == path

    run(main())


def test_calls_that_are_sent_at_once_are_answered_in_their_order(run: Run) -> None:
    async def main() -> None:
        async with client_of(echo) as client:
            request = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            client.send(b"".join(request % number for number in range(20)))
            assert [await client.answer() for _ in range(20)] == [
                b"/%dabc" % number for number in range(20)
            ]

    run(main())


def test_a_large_answer_is_whole_although_the_connection_closes(run: Run) -> None:
    content = bytes(range(256)) * (8 * MIB // 256)

    async def main() -> None:
        async with client_of(small(content)) as client:
            client.send(CLOSING)
            assert await client.answer() == content
            assert await client.rest() == b""

    run(main())


def test_an_answer_in_pieces_that_look_like_heads_is_whole(run: Run) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100", b"x", b"HTTP/1.1 ", b"HTTP/1.1 "]

    async def main() -> None:
        async with client_of(sized(*pieces)) as client:
            for _ in range(2):
                client.send(GET)
                assert await client.answer() == b"".join(pieces)

    run(main())


def test_a_streamed_answer_is_whole(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        for piece in (b"one", b"two", b"three"):
            await send(body(piece, more=True))
        await send(body(b""))

    async def main() -> None:
        async with client_of(app) as client:
            client.send(GET)
            assert b"\r\ntransfer-encoding: chunked\r\n" in await client.head()
            pieces = [await client.piece() for _ in range(4)]
            assert pieces == [b"one", b"two", b"three", b""]

    run(main())


def test_each_piece_of_a_streamed_answer_arrives_before_the_next_is_made(run: Run) -> None:
    arrived = asyncio.Semaphore(0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        await arrived.acquire()
        for piece in (b"one", b"two", b"three"):
            await send(body(piece, more=True))
            await arrived.acquire()
        await send(body(b""))

    async def main() -> None:
        async with client_of(app) as client:
            client.send(GET)
            await client.head()
            arrived.release()
            for piece in (b"one", b"two", b"three"):
                assert await client.piece() == piece
                arrived.release()
            assert await client.piece() == b""

    run(main())


def test_the_head_of_an_answer_without_a_body_arrives(run: Run) -> None:
    async def main() -> None:
        async with client_of(small(b"hello")) as client:
            client.send(HEAD)
            assert await client.head() == HEAD_OF_5
            client.send(GET)
            assert await client.answer() == b"hello"

    run(main())


def test_heads_alone_and_whole_answers_stay_in_their_order(run: Run) -> None:
    async def main() -> None:
        async with client_of(small(b"hello")) as client:
            client.send(HEAD + HEAD + GET + HEAD + CLOSING)
            closing = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
            assert await client.rest() == HEAD_OF_5 * 3 + b"hello" + HEAD_OF_5 + closing

    run(main())


def test_a_client_that_asks_whether_to_go_on_is_told_so(run: Run) -> None:
    async def main() -> None:
        async with client_of(echo) as client:
            client.send(EXPECTING)
            assert await client.head() == CONTINUE
            client.send(b"hello")
            assert await client.answer() == b"/hello"

    run(main())


def test_a_client_that_asks_whether_to_go_on_can_be_refused(run: Run) -> None:
    async def main() -> None:
        async with client_of(small(b"no")) as client:
            client.send(EXPECTING)
            assert await client.answer() == b"no"

    run(main())


def test_what_is_no_request_is_refused_with_a_whole_answer(run: Run) -> None:
    async def main() -> None:
        async with client_of(echo) as client:
            client.send(b"nonsense\r\n\r\n")
            answer = await client.rest()
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert answer.endswith(b"\r\n\r\nInvalid HTTP request received.")

    run(main())


def test_a_large_body_of_a_request_arrives_whole(run: Run) -> None:
    content = bytes(range(256)) * (4 * MIB // 256)

    async def main() -> None:
        async with client_of(echo) as client:
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            client.send(request % len(content) + content)
            assert await client.answer() == b"/" + content

    run(main())


def test_a_client_that_leaves_before_a_head_is_written_disturbs_nobody(run: Run) -> None:
    ended = asyncio.Event()
    leaving = socket.socket()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.close()  # resets the connection
        await asyncio.sleep(0)  # the loop learns it in this turn, and tells it after us
        await send(head(5))
        for _ in range(10):
            await asyncio.sleep(0)
        ended.set()

    async def main() -> None:
        async with client_of(app) as client:
            leaving.connect(client.writer.get_extra_info("peername"))
            leaving.sendall(GET)
            await ended.wait()

    run(main())


def test_the_application_is_told_who_calls(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await small(b"%d" % scope["client"][1])(scope, receive, send)

    async def main() -> None:
        async with client_of(app) as client:
            client.send(GET)
            port = client.writer.get_extra_info("sockname")[1]
            assert await client.answer() == b"%d" % port

    run(main())


# What is written, and when.


class Transport(asyncio.Transport):
    """Notes each write, and that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[bytes | str] = []

    def write(self, data: Any) -> None:
        if data:
            self.notes.append(bytes(data))

    def close(self) -> None:
        self.notes.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.notes

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connection:
    """The protocol with a transport that writes nowhere."""

    def __init__(self, app: App) -> None:
        self._state = ServerState()
        transport = Transport()
        self.notes = transport.notes
        self._protocol = CorkedHttpProtocol(config_of(app), self._state, {})
        self._protocol.connection_made(transport)

    def receive(self, data: bytes) -> None:
        self._protocol.data_received(data)

    async def answered(self) -> None:
        """Returns when the application has ended, in the same turn of the loop."""
        await asyncio.gather(*self._state.tasks)


def test_a_head_and_its_body_are_written_together() -> None:
    async def main() -> None:
        connection = Connection(small(b"hello"))
        connection.receive(GET)
        await connection.answered()
        assert connection.notes == [HEAD_OF_5 + b"hello"]

    asyncio.run(main())


def test_each_of_two_answers_is_written_together() -> None:
    async def main() -> None:
        connection = Connection(small(b"hello"))
        for _ in range(2):
            connection.receive(GET)
            await connection.answered()
        assert connection.notes == [HEAD_OF_5 + b"hello"] * 2

    asyncio.run(main())


def test_a_head_is_written_in_the_next_turn_when_its_body_is_not_there_yet() -> None:
    async def main() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(head(5))
            assert connection.notes == []
            await asyncio.sleep(0)
            assert connection.notes == [HEAD_OF_5]
            await send(body(b"hello"))

        connection = Connection(app)
        connection.receive(GET)
        await connection.answered()
        assert connection.notes == [HEAD_OF_5, b"hello"]

    asyncio.run(main())


def test_later_pieces_of_a_body_are_written_at_once() -> None:
    async def main() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(head(5))
            await send(body(b"he", more=True))
            assert connection.notes == [HEAD_OF_5 + b"he"]
            await send(body(b"l", more=True))
            assert connection.notes == [HEAD_OF_5 + b"he", b"l"]
            await send(body(b"lo"))

        connection = Connection(app)
        connection.receive(GET)
        await connection.answered()
        assert connection.notes == [HEAD_OF_5 + b"he", b"l", b"lo"]

    asyncio.run(main())


def test_what_is_held_is_written_before_the_connection_closes() -> None:
    async def main() -> None:
        connection = Connection(small(b"hello"))
        connection.receive(HEAD.replace(b"Host: x", b"Connection: close"))
        await connection.answered()
        await asyncio.sleep(0)
        closing = HEAD_OF_5.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        assert connection.notes == [closing, "closed"]

    asyncio.run(main())


def test_the_word_to_go_on_is_not_held_for_the_answer() -> None:
    async def main() -> None:
        connection = Connection(echo)
        connection.receive(EXPECTING.replace(b": 5", b": 4") + b"body")  # did not wait for it
        await connection.answered()
        assert connection.notes == [CONTINUE, HEAD_OF_5 + b"/body"]

    asyncio.run(main())
