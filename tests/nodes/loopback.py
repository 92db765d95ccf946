"""Raw servers on loopback that answer as badly as a test wants."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.ports import free_port

Handler = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """The server's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_head(self) -> bytes:
        """The next request's line and headers."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def read_request(self) -> tuple[bytes, bytes]:
        """The next request's head, and its body decoded."""
        head = await self.read_head()
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head, await self.reader.readexactly(int(line.partition(b":")[2]))
            if line == b"transfer-encoding: chunked":
                return head, b"".join([chunk async for chunk in self._chunks()])
        return head, b""

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"ok", *, head: bytes = b"HTTP/1.1 200 OK") -> None:
        await self.send(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def until_closed(self) -> None:
        """Return when the other side has closed."""
        while await self.reader.read(65536):
            pass


@dataclass
class Server:
    """A running server and what it saw."""

    url: str = ""
    port: int = 0
    n_connections: int = 0
    n_closed: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)  # at least one connection ended


@asynccontextmanager
async def serving(
    handler: Handler, *, hosts: Sequence[str] = ("127.0.0.1",)
) -> AsyncIterator[Server]:
    """A server whose connections are each given to `handler`, and closed after it.

    On several hosts it has the same port; `url` is of the first.
    """
    server = Server()
    tasks = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.n_connections += 1
        task = asyncio.current_task()
        tasks.add(task)
        try:
            await handler(Peer(reader, writer))
            writer.transport.set_write_buffer_limits(0)
            await writer.drain()  # an abort drops what has not gone out
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            server.n_closed += 1
            server.closed.set()
            writer.transport.abort()

    port = free_port() if len(hosts) > 1 else 0
    listener = await asyncio.start_server(on_connection, hosts, port, limit=2**22)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"http://{hosts[0]}:{server.port}"
    try:
        yield server
    finally:
        listener.close()
        for _ in range(5):  # rounds in which an accepted connection comes to its handler
            await asyncio.sleep(0)
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
        for _ in range(2):  # rounds in which aborted transports close
            await asyncio.sleep(0)


@contextmanager
def serving_in_thread(handler: Handler, **options: Any) -> Iterator[Server]:
    """The same for tests without an event loop: the server has one of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(step: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(step, loop).result(30)

    context: Any = serving(handler, **options)
    try:
        yield run(context.__aenter__())
    finally:
        run(context.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
