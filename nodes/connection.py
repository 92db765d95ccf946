"""One HTTP/1.1 connection to a compute node: bytes out, one parsed answer in.

`nodes.hop` opens and pools connections; this module only moves bytes. An answer must announce its
length or be chunked: one that ends with the connection could be cut short without anybody noticing.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterable, Callable
from types import TracebackType
from typing import Any, cast

import httptools

from mlops.errors import MlopsError, NodeFailure, NodeTimeout
from nodes.runtime.pieces import LARGE_BYTES, Pieces, sliced
from nodes.trust import is_refusal_of_client, untrusted

_HEAD_BYTES = 64 * 1024
_JOIN_BYTES = 64 * 1024  # up to here copying a body behind its head is cheaper than two buffers
_PAUSE_BYTES = 512 * 1024
_RESUME_BYTES = 128 * 1024


class Response:
    """The answer of a compute node; a streamed one is iterated for its bytes, and closed.

    `body` is whole unless the request asked for a stream.
    """

    __slots__ = (
        "_arrival",
        "_buffered",
        "_chunks",
        "_connection",
        "_error",
        "_is_complete",
        "_pieces",
        "body",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self._connection = connection
        self._chunks: deque[bytes] = deque()  # of a stream
        self._pieces = Pieces()  # of what is wanted whole
        self._buffered = 0
        self._is_complete = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    def header(self, name: str) -> str:
        """The value of a header, "" when the node sent none; `name` in any case."""
        return self.headers.get(name.lower().encode(), b"").decode("latin-1")

    def __aiter__(self) -> "Response":
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._is_complete:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        if self._buffered < _RESUME_BYTES and not self._is_complete and self._error is None:
            self._connection.resume()
        return chunk

    def close(self) -> None:
        """Give up what has not arrived; the connection is closed unless the answer was complete."""
        if not self._is_complete and self._error is None:
            self._error = NodeFailure("The answer of the compute node was given up.")
            self._connection.abort()

    async def __aenter__(self) -> "Response":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # The connection's side.

    def gather(self, chunk: bytes) -> int:
        """Take a piece of a body that is wanted whole; answers how many bytes there are."""
        self._pieces.add(chunk)
        return self._pieces.size

    def append(self, chunk: bytes) -> int:
        """Take a piece of a stream; answers how many bytes wait to be read."""
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        self._wake()
        return self._buffered

    def complete(self) -> None:
        """Everything has arrived."""
        self._is_complete = True
        self.body = self._pieces.whole()
        self._wake()

    def fail(self, error: Exception) -> None:
        """Nothing more will arrive."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class _Exchange:
    """A request that waits for its answer."""

    def __init__(
        self, ready: "asyncio.Future[Response]", response: Response, is_stream: bool, max_bytes: int
    ) -> None:
        self.ready = ready
        self.response = response
        self.is_stream = is_stream
        self.max_bytes = max_bytes
        self.is_sent = False
        self.is_complete = False
        self.deadline: asyncio.TimerHandle | None = None


async def _piece_by_piece(body: bytes) -> AsyncIterable[bytes]:
    for piece in sliced(body):
        yield bytes(piece)
        await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; `release` gets the connection back after a clean one."""

    def __init__(self, node: str, release: Callable[["Connection"], None]) -> None:
        self._node = node  # as messages name it
        self._release = release
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport  # set before anybody gets to see the connection
        self._exchange: _Exchange | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_paused = False
        self._keeps_alive = True
        self._head_bytes = 0
        self.idle_since = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether neither side has closed it, as far as this side has seen."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """Close at once; an exchange under way is forgotten."""
        if self._exchange is not None:
            self._forget(self._exchange)
        self._transport.abort()

    async def exchange(
        self,
        head: bytes,
        body: bytes | AsyncIterable[bytes],
        *,
        content_length: int | None,
        seconds: float,
        is_stream: bool,
        max_bytes: int,
    ) -> Response:
        """The answer to one request; raises NodeFailure (it may have run) or NodeTimeout.

        Cancelling the caller closes the connection, which makes the node stop the run.
        """
        loop = asyncio.get_running_loop()
        exchange = _Exchange(loop.create_future(), Response(self), is_stream, max_bytes)
        exchange.deadline = loop.call_later(seconds, self._expire, exchange, seconds)
        self._exchange = exchange
        self._head_bytes = 0
        sender: asyncio.Task[None] | None = None
        if isinstance(body, bytes) and len(body) > LARGE_BYTES:
            content_length, body = len(body), _piece_by_piece(body)
        try:
            if isinstance(body, bytes):
                self._write(head, body)
                exchange.is_sent = True
            else:
                sender = loop.create_task(self._send(exchange, head, body, content_length))
                sender.add_done_callback(lambda task: self._sender_done(exchange, task))
            return await exchange.ready
        except BaseException:
            if self._exchange is exchange:
                self.abort()
            elif exchange.ready.done() and not exchange.ready.cancelled():
                exchange.ready.exception()  # seen, in case the caller was cancelled just then
            raise
        finally:
            if sender is not None and not sender.done():
                # The node answered before it had read everything: it will not read the rest.
                sender.cancel()
                await asyncio.wait([sender])

    # Sending.

    def _write(self, head: bytes, body: bytes) -> None:
        if len(body) <= _JOIN_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def _send(
        self,
        exchange: _Exchange,
        head: bytes,
        body: AsyncIterable[bytes],
        content_length: int | None,
    ) -> None:
        """Send a body piece by piece, no faster than the node reads it."""
        self._transport.write(head)
        n_sent = 0
        async for chunk in body:
            n_sent += len(chunk)
            if content_length is None:
                if chunk:
                    self._transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))
            elif n_sent > content_length:
                break
            else:
                self._transport.write(chunk)
                exchange.is_sent = n_sent == content_length
            if self._writable is not None:
                await self._writable
        if content_length is None:
            self._transport.write(b"0\r\n\r\n")
        elif n_sent != content_length:
            raise ValueError(f"The body does not have the {content_length} bytes announced.")
        exchange.is_sent = True

    def _sender_done(self, exchange: _Exchange, sender: "asyncio.Task[None]") -> None:
        if not sender.cancelled() and (error := sender.exception()) is not None:
            self._fail(exchange, error)

    def pause_writing(self) -> None:
        """Hold back: the node reads more slowly than we write."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    # Receiving.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; whatever arrives without or beyond an answer makes the connection unusable."""
        exchange = self._exchange
        if exchange is None:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._keeps_alive = False
            if not exchange.is_complete:
                message = f"Compute node {self._node} answered something that is not HTTP."
                self._fail(exchange, NodeFailure(message))
                return
        if exchange.is_complete:
            self._finish(exchange)
        elif exchange.response.status == 0:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                message = f"Compute node {self._node} answered with too many headers."
                self._fail(exchange, NodeFailure(message))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what was under way: the node may or may not have run it, unless TLS refuses us."""
        if self._exchange is not None:
            message = f"Compute node {self._node} closed the connection before it had answered."
            error: MlopsError = NodeFailure(message)
            if isinstance(exc, ssl.SSLError) and is_refusal_of_client(exc):
                error = untrusted(self._node, exc)  # since TLS 1.3 it says so when it is open
            self._fail(self._exchange, error)
        self.resume_writing()

    def resume(self) -> None:
        """Read on after a streamed answer has been caught up with."""
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A second answer nobody asked for condemns the connection."""
        if self._exchange is None or self._exchange.is_complete:
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped."""
        exchange = self._exchange
        if exchange is not None and exchange.response.status == 0:
            exchange.response.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The status is known: hand out a streamed answer."""
        exchange = self._exchange
        status = self._parser.get_status_code()
        if exchange is None or exchange.is_complete or status < 200:
            return
        exchange.response.status = status
        if exchange.is_stream and not exchange.ready.done():
            exchange.ready.set_result(exchange.response)

    def on_body(self, chunk: bytes) -> None:
        """Keep a piece of the body; stop reading while a stream's reader is behind."""
        exchange = self._exchange
        if exchange is None or exchange.is_complete:
            return
        if exchange.is_stream:
            if exchange.response.append(chunk) > _PAUSE_BYTES and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        elif exchange.response.gather(chunk) > exchange.max_bytes:
            message = f"Compute node {self._node} answered more than {exchange.max_bytes} bytes."
            self._fail(exchange, NodeFailure(message))

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one (1xx)."""
        exchange = self._exchange
        if exchange is None or exchange.is_complete:
            return
        if exchange.response.status == 0:
            exchange.response.headers.clear()
            return
        exchange.is_complete = True
        self._keeps_alive = self._keeps_alive and self._parser.should_keep_alive()

    # Endings.

    def _finish(self, exchange: _Exchange) -> None:
        """Deliver, then give the connection back if both sides are done with a clean exchange."""
        self._forget(exchange)
        exchange.response.complete()
        if not exchange.ready.done():
            exchange.ready.set_result(exchange.response)
        if self._keeps_alive and exchange.is_sent and self.is_usable:
            self.resume()
            self._release(self)
        else:
            self.abort()

    def _fail(self, exchange: _Exchange, error: BaseException) -> None:
        if self._exchange is not exchange:
            return
        self.abort()
        if exchange.ready.done():
            failure = error if isinstance(error, Exception) else NodeFailure(str(error))
            exchange.response.fail(failure)
        else:
            exchange.ready.set_exception(error)

    def _expire(self, exchange: _Exchange, seconds: float) -> None:
        message = f"Compute node {self._node} did not answer within {seconds:g} seconds."
        self._fail(exchange, NodeTimeout(message))

    def _forget(self, exchange: _Exchange) -> None:
        self._exchange = None
        if exchange.deadline is not None:
            exchange.deadline.cancel()
