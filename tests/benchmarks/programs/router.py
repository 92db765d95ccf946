"""The first hop of the limit: checks a token, passes the body on, and the answer back.

As little as two hops in Python can do: plain ASGI, a token's signature verified once, kept-alive
connections of our own on asyncio and httptools, head and body in one write. No roles, no choice of
a node, no deadlines, no counters, no errors.
"""

import asyncio
import os
import time
from typing import Any

import httptools
import jwt

SECRET = os.environ["BENCH_SECRET"]
NEXT_HOP = int(os.environ["BENCH_NEXT_HOP"])
_HEAD = b"POST / HTTP/1.1\r\nHost: echo\r\nContent-Length: %d\r\n\r\n"

_expiries: dict[bytes, float] = {}
_idle: list["_Connection"] = []


class _Connection(asyncio.Protocol):
    """One exchange at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def post(self, body: bytes) -> "asyncio.Future[bytes]":
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport.write((_HEAD % len(body)) + body)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        _idle.append(self)
        self._answer.set_result(body)


async def _open() -> _Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, "127.0.0.1", NEXT_HOP)
    return connection


def _is_valid(authorization: bytes) -> bool:
    expiry = _expiries.get(authorization)
    if expiry is None:
        try:
            claims = jwt.decode(authorization[7:].decode(), SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return False
        expiry = _expiries[authorization] = claims["exp"]
    return expiry > time.time()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Route."""
    if not any(name == b"authorization" and _is_valid(value) for name, value in scope["headers"]):
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    connection = _idle.pop() if _idle else await _open()
    answer = await connection.post(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
