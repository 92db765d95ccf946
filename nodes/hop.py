"""The client to compute nodes: HTTP/1.1 with kept-alive connections, and nothing else.

It is the only way any part of a web node talks to a compute node. Its errors tell the one thing a
caller must know before it tries elsewhere:

    NodeUnreachable    no connection came about, the request cannot have run; it is NodeUntrusted
                       when TLS is why, or the node takes no call from this side
    NodeFailure        the connection broke or made no sense, the request may have run
    NodeTimeout        no whole answer by the deadline, the request may have run

A kept-alive connection that the node has closed is noticed before anything is written to it; once
written, a request is never repeated here.
"""

import asyncio
import errno
import re
import ssl
from collections import deque
from collections.abc import AsyncIterable, Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from mlops.errors import NodeUnreachable
from nodes import trust
from nodes.connection import Connection, Response

_IDLE_SECONDS = 30  # less than a node keeps an idle connection, so that we are the ones to close it
_MAX_IDLE = 256  # connections of one event loop to one node
MAX_BODY_BYTES = 1024**3  # of an answer that is not streamed


class _Target(NamedTuple):
    """An address taken apart."""

    host: str
    port: int
    ssl_context: ssl.SSLContext | None
    request_target: str
    host_header: str


Origin = tuple[str, int, ssl.SSLContext | None]
_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | AsyncIterable[bytes] | None = None,
    content_length: int | None = None,
    deadline_seconds: float,
    connect_seconds: float = 5,
    stream: bool = False,
    max_body_bytes: int = MAX_BODY_BYTES,
    ssl_context: ssl.SSLContext | None = None,
    on_connected: Callable[[bool], None] | None = None,
) -> Response:
    """The node's answer, whole or as a stream, whatever its status.

    An iterable body is sent chunked unless `content_length` announces its size. The deadline covers
    the exchange from the first byte sent to the last byte of the answer, streamed or not.
    `on_connected` is told whether a connection had to be made, before anything is sent. Raises
    NodeUnreachable, NodeFailure or NodeTimeout; an error of the body's iterator comes through.
    """
    target = _target(url, ssl_context)
    head = _head(method, target, headers or {}, body, content_length)
    pool = _pool_of(asyncio.get_running_loop())
    origin = target.host, target.port, target.ssl_context
    connection = kept = pool.take(origin)
    if connection is None:
        connection = await pool.connect(origin, min(connect_seconds, deadline_seconds))
    if on_connected is not None:
        on_connected(kept is None)
    return await connection.exchange(
        head,
        body or b"",
        content_length=content_length,
        seconds=deadline_seconds,
        is_stream=stream,
        max_bytes=max_body_bytes,
    )


async def close_idle() -> None:
    """Close the idle connections of the running event loop, so that the loop can be closed."""
    _pool_of(asyncio.get_running_loop()).close()
    await asyncio.sleep(0)  # transports close in the next round


# Requests as bytes.


@lru_cache(maxsize=4096)
def _target(url: str, ssl_context: ssl.SSLContext | None) -> _Target:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("A compute node's address starts with http:// or https:// and a host.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("An address holds printable ASCII only; encode the rest.")
    is_tls = parts.scheme == "https"
    request_target = parts.path or "/"
    if parts.query:
        request_target += f"?{parts.query}"
    return _Target(
        host=parts.hostname,
        port=parts.port or (443 if is_tls else 80),
        ssl_context=(ssl_context or trust.of_client()) if is_tls else None,
        request_target=request_target,
        host_header=parts.netloc.rpartition("@")[2],
    )


def _head(
    method: str,
    target: _Target,
    headers: Mapping[str, str],
    body: bytes | AsyncIterable[bytes] | None,
    content_length: int | None,
) -> bytes:
    """The request line and headers; ValueError when a header would end its line early."""
    if method == "HEAD":
        raise ValueError("HEAD is not spoken here: its answer announces a body that never comes.")
    lines = [f"{method} {target.request_target} HTTP/1.1", f"Host: {target.host_header}"]
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    if isinstance(body, bytes):
        lines.append(f"Content-Length: {len(body)}")
    elif body is not None:
        is_chunked = content_length is None
        lines.append(
            "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {content_length}"
        )
    elif method in ("POST", "PUT", "PATCH"):
        lines.append("Content-Length: 0")
    text = "\r\n".join(lines)
    n_breaks = len(lines) - 1
    if text.count("\n") != n_breaks or text.count("\r") != n_breaks or "\0" in text:
        raise ValueError("A header must not hold line breaks or NUL.")
    return f"{text}\r\n\r\n".encode("latin-1")


# Connections.


async def connect(origin: Origin, create: Callable[[], _Protocol], seconds: float) -> _Protocol:
    """A protocol made by `create`, connected; NodeUnreachable when it is not within `seconds`."""
    host, port, ssl_context = origin
    node = name_of(origin)
    try:
        async with asyncio.timeout(seconds):
            _, protocol = await asyncio.get_running_loop().create_connection(
                create, host, port, ssl=ssl_context
            )
    except TimeoutError:
        message = f"Compute node {node} did not accept a connection in {seconds:g} seconds."
        raise NodeUnreachable(message) from None
    except ssl.SSLError as error:
        raise trust.untrusted(node, error) from None
    except (OSError, UnicodeError) as error:
        reason = str(error) or "it hung up before TLS was agreed on."
        message = f"Compute node {node} cannot be reached: {reason}"
        raise NodeUnreachable(message, is_refused=_is_refused(error)) from None
    return protocol


def name_of(origin: Origin) -> str:
    """The node as messages name it."""
    return f"{origin[0]}:{origin[1]}"


def origin_of(url: str) -> Origin:
    """Where the node of this address listens; ValueError when it is none."""
    target = _target(url, None)
    return target.host, target.port, target.ssl_context


class _Pool:
    """The idle connections of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._time = loop.time
        self._call_later = loop.call_later
        self._idle: dict[Origin, deque[Connection]] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """The connection used last, so that surplus ones grow old; None when there is none."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_usable:
                return connection
        return None

    async def connect(self, origin: Origin, seconds: float) -> Connection:
        """A new connection; NodeUnreachable when there is none within `seconds`."""

        def create() -> Connection:
            return Connection(name_of(origin), lambda connection: self._put(origin, connection))

        return await connect(origin, create, seconds)

    def _put(self, origin: Origin, connection: Connection) -> None:
        idle = self._idle.setdefault(origin, deque())
        connection.idle_since = self._time()
        idle.append(connection)
        if len(idle) > _MAX_IDLE:
            idle.popleft().abort()
        if self._sweep_timer is None:
            self._sweep_timer = self._call_later(_IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long; the oldest stand left."""
        oldest = self._time() - _IDLE_SECONDS
        for idle in self._idle.values():
            while idle and (idle[0].idle_since <= oldest or not idle[0].is_usable):
                idle.popleft().abort()
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}
        pause = _IDLE_SECONDS / 2
        self._sweep_timer = self._call_later(pause, self._sweep) if self._idle else None

    def close(self) -> None:
        """Close all of them."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()


def _pool_of(loop: asyncio.AbstractEventLoop) -> _Pool:
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = _Pool(loop)
    return pool


def _is_refused(error: OSError | UnicodeError) -> bool:
    """Whether every address of the host refused; asyncio joins several refusals into one text."""
    if isinstance(error, ConnectionRefusedError):
        return True
    numbers = re.findall(r"\[Errno (\d+)\]", str(error))
    return bool(numbers) and set(numbers) == {str(errno.ECONNREFUSED)}
