"""Small scoring calls over one shared connection to each compute node (nodes/runtime/multiplex.py).

It only makes faster what HTTP does as well: a connection is opened in the background once a node
has offered it, and where there is none, or the node reads it too slowly, calls go over HTTP.
"""

import asyncio
import logging
import socket
from functools import partial
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

from mlops.coarse_timer import coarse_timer
from mlops.errors import NodeFailure, NodeTimeout, NodeUnreachable
from nodes import hop
from nodes.runtime.multiplex import (
    ANSWER,
    BYE,
    PIECE,
    PREFACE,
    FrameReader,
    NotAFrame,
    Outbox,
    call_frame,
    cancel_frame,
)
from nodes.runtime.pieces import Pieces

logger = logging.getLogger(__name__)

# A node whose machine or link is gone is noticed after so many seconds with something unsent.
_LOST_SECONDS = 10
_RETRY_SECONDS = 30  # after a connection that did not come about
_OPENED = PREFACE + b"\r\n"
_LAST_NUMBER = 2**32 - 1


class Reply(NamedTuple):
    """What the node answered to a call."""

    status: int
    body: bytes


class _Call:
    """A call that waits for its answer."""

    __slots__ = ("pieces", "ready")

    def __init__(self, ready: "asyncio.Future[Reply]") -> None:
        self.ready = ready
        self.pieces: Pieces | None = None


class Multiplexed(asyncio.Protocol):
    """One connection to a node; `opened` is done once the node has agreed to it, or has not."""

    def __init__(self, node: str, key: str) -> None:
        self._node = node  # as messages name it
        self._preface = b"%b %b\r\n" % (PREFACE, key.encode())
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = self._loop.create_future()
        self._transport: asyncio.Transport
        self._out: Outbox
        self._opening = b""
        self._reader = FrameReader()
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._is_paused = False
        self._is_last = False  # the node stops, and takes no further calls

    @property
    def is_usable(self) -> bool:
        """Whether a call can go out at once."""
        return not self._is_paused and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it will never take a call again."""
        return self._is_last or self._transport.is_closing()

    async def score(
        self, bundle_id: str, body: bytes, *, correlation_id: str, seconds: float
    ) -> Reply:
        """The answer to one call; raises NodeFailure (it may have run) or NodeTimeout.

        The node stops the run when the caller is cancelled.
        """
        number = self._next_number()
        call = self._calls[number] = _Call(self._loop.create_future())
        timer = coarse_timer(seconds)
        expiry = timer.start(partial(self._expire, call, seconds))
        self._out.write(call_frame(number, bundle_id.encode(), correlation_id.encode(), body))
        try:
            return await call.ready
        finally:
            timer.cancel(expiry)
            if self._calls.pop(number, None) is not None and not self._transport.is_closing():
                self._out.write(cancel_frame(number))  # given up
            self._close_if_done()

    def abort(self) -> None:
        """Close at once; calls under way fail."""
        self._transport.abort()

    def _next_number(self) -> int:
        self._number = self._number + 1 if self._number < _LAST_NUMBER else 1
        while self._number in self._calls:  # has waited while four billion others came and went
            self._number += 1
        return self._number

    def _expire(self, call: _Call, seconds: float) -> None:
        if not call.ready.done():
            message = f"Compute node {self._node} did not answer within {seconds:g} seconds."
            call.ready.set_exception(NodeTimeout(message))

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for it."""
        self._transport = cast(asyncio.Transport, transport)
        _notice_loss(transport.get_extra_info("socket"))
        self._out = Outbox(self._transport)
        self._out.write(self._preface)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Fail what was under way: the node may or may not have run it."""
        if not self.opened.done():
            self.opened.set_result(False)
        message = f"Compute node {self._node} closed the connection before it had answered."
        for call in self._calls.values():
            if not call.ready.done():
                call.ready.set_exception(NodeFailure(message))
        self._calls.clear()

    def pause_writing(self) -> None:
        """The node reads too slowly: further calls go over HTTP."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol."""
        self._is_paused = False

    def data_received(self, data: bytes) -> None:
        """Hand out answers; those to calls that were given up meanwhile are dropped."""
        if not self.opened.done():
            data = self._open(data)
        try:
            for kind, number, status, _, payload in self._reader.feed(data):
                call = self._calls.get(number)
                if kind == BYE:
                    self._is_last = True
                    self._close_if_done()
                if call is None:
                    continue
                if kind == ANSWER:
                    del self._calls[number]
                    self._finish(call, status, payload)
                elif kind == PIECE:
                    call.pieces = call.pieces or Pieces()
                    call.pieces.add(payload)
                    if call.pieces.size > hop.MAX_BODY_BYTES:
                        self._give_up(number, call)
        except NotAFrame:
            logger.warning("Compute node %s sent what makes no sense.", self._node)
            self.abort()

    def _give_up(self, number: int, call: _Call) -> None:
        """An answer without end."""
        del self._calls[number]
        self._out.write(cancel_frame(number))
        if not call.ready.done():
            message = f"Compute node {self._node} answered more than {hop.MAX_BODY_BYTES} bytes."
            call.ready.set_exception(NodeFailure(message))

    def _finish(self, call: _Call, status: int, payload: bytes) -> None:
        if call.ready.done():
            return
        if call.pieces is not None:
            call.pieces.add(payload)
            payload = call.pieces.whole()
        call.ready.set_result(Reply(status, payload))

    def _close_if_done(self) -> None:
        if self._is_last and not self._calls:
            self._transport.close()

    def _open(self, data: bytes) -> bytes:
        """Whether the node agrees, once it has said so; what follows."""
        self._opening += data
        if len(self._opening) < len(_OPENED) and _OPENED.startswith(self._opening):
            return b""
        is_open = self._opening.startswith(_OPENED)
        self.opened.set_result(is_open)
        return self._opening[len(_OPENED) :] if is_open else b""


def _notice_loss(sock: socket.socket | None) -> None:
    """Have the system give up a connection when nothing arrives at the other side any more."""
    if sock is None:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST_SECONDS * 1000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _LOST_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)


class _Connections:
    """The connections of one event loop, by the address of their node."""

    def __init__(self) -> None:
        self.open: dict[str, Multiplexed] = {}
        self.opening: dict[str, asyncio.Task[None]] = {}
        self.refused_at: dict[str, float] = {}


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()


def connection_to(address: str) -> Multiplexed | None:
    """The open connection to the node, if there is one and a call can go out at once."""
    mine = _connections.get(asyncio.get_running_loop())
    if mine is None:
        return None
    connection = mine.open.get(address)
    return connection if connection is not None and connection.is_usable else None


def open_soon(address: str, *, key: str, seconds: float) -> None:
    """Begin to open a connection to a node that has offered it, unless there is one."""
    loop = asyncio.get_running_loop()
    mine = _connections.setdefault(loop, _Connections())
    known = mine.open.get(address)
    if address in mine.opening or (known is not None and not known.is_over):
        return
    if loop.time() - mine.refused_at.get(address, -_RETRY_SECONDS) < _RETRY_SECONDS:
        return
    task = loop.create_task(_open(mine, address, key, seconds))
    mine.opening[address] = task
    task.add_done_callback(lambda _: mine.opening.pop(address, None))


async def close_all() -> None:
    """Close the connections of the running event loop, so that the loop can be closed."""
    mine = _connections.pop(asyncio.get_running_loop(), None)
    if mine is None:
        return
    opening = list(mine.opening.values())
    for task in opening:
        task.cancel()
    for connection in mine.open.values():
        connection.abort()
    await asyncio.gather(*opening, return_exceptions=True)


async def _open(mine: _Connections, address: str, key: str, seconds: float) -> None:
    origin = hop.origin_of(address)
    connection = None
    is_open = False
    try:
        async with asyncio.timeout(seconds):
            connection = await hop.connect(
                origin, lambda: Multiplexed(hop.name_of(origin), key), seconds
            )
            is_open = await connection.opened
    except (NodeUnreachable, TimeoutError):
        pass
    finally:  # also when the loop is about to be closed
        if connection is not None and not is_open:
            connection.abort()
    if connection is not None and is_open:
        mine.open[address] = connection
        mine.refused_at.pop(address, None)
    else:
        mine.refused_at[address] = asyncio.get_running_loop().time()
