"""The connection by which an R shell comes to its node: one, with a secret that serves once."""

import asyncio
import socket

import pytest

from nodes.runtime import starting
from nodes.runtime.starting import _accept, _accept_with_secret

SECRET = "f" * 64


def listening() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4)
    listener.setblocking(False)
    return listener


async def connect(port: int, line: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    return reader, writer


@pytest.mark.parametrize(
    "line", [b"wrong\n", b"\n", SECRET.encode()[:-1] + b"\n", SECRET.encode() + b"f\n", b"f" * 200]
)
def test_a_connection_without_the_secret_is_closed_and_the_next_one_heard(line: bytes) -> None:
    async def main() -> None:
        with listening() as listener:
            port = listener.getsockname()[1]
            accepting = asyncio.ensure_future(_accept_with_secret(listener, SECRET))
            async with asyncio.timeout(20):
                reader, stranger = await connect(port, line)
                assert await hung_up(reader)
                _, shell = await connect(port, f"{SECRET}\nmore".encode())
                sock, rest = await accepting
            with sock:
                assert b"more".startswith(rest)
            for writer in (stranger, shell):
                writer.transport.abort()

    asyncio.run(main())


def test_a_connection_that_says_nothing_is_closed_and_the_next_one_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starting, "_SECRET_SECONDS", 0.05)

    async def main() -> None:
        with listening() as listener:
            port = listener.getsockname()[1]
            accepting = asyncio.ensure_future(_accept_with_secret(listener, SECRET))
            async with asyncio.timeout(20):
                reader, stranger = await connect(port, b"half a li")
                assert await hung_up(reader)
                _, shell = await connect(port, f"{SECRET}\n".encode())
                sock, _ = await accepting
            sock.close()
            for writer in (stranger, shell):
                writer.transport.abort()

    asyncio.run(main())


def test_the_secret_serves_once() -> None:
    """Whoever has overheard it, and waited in line or comes later, gets nothing."""

    async def main() -> None:
        listener = listening()
        port = listener.getsockname()[1]
        line = f"{SECRET}\n".encode()
        _, shell = await connect(port, line)
        waiting, second = await connect(port, line)  # in line before the first one is accepted
        ours, theirs = socket.socketpair()
        socket.send_fds(theirs, [b"{}"], [listener.fileno()])  # as a shell does
        listener.close()
        async with asyncio.timeout(20):
            with ours, theirs:
                sock, _ = await _accept(ours, SECRET)
            with sock:
                assert sock.getpeername() == shell.get_extra_info("sockname")
                assert await hung_up(waiting)
                with pytest.raises(ConnectionRefusedError):
                    await connect(port, line)
        for writer in (shell, second):
            writer.transport.abort()

    asyncio.run(main())


async def hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True
