"""The node's side of multiplexed scoring calls, on the same port as HTTP: see multiplex.py."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.server import ServerState

from .answers import compact, cut_off, internal_error_body, note_refusal, proper_id, stopping
from .authorization import authorization, shows_key
from .errors import ClientRefused, NodeError
from .multiplex import (
    CALL,
    CANCEL,
    PIECE_BYTES,
    PREFACE,
    FrameReader,
    NotAFrame,
    Outbox,
    answer_frames,
    bye_frame,
)
from .node import ComputeNode
from .parting import PartingHttpProtocol

logger = logging.getLogger(__name__)

_PREFACE_BYTES = 4096
_REFUSAL_SECONDS = 5  # for a refused client to read why, and to hang up
UNPROVEN_MAX = 1000  # connections on which nobody has shown the cluster key yet
_OPENING = PREFACE + b"\r\n"


def http_protocol(node: ComputeNode) -> type[PartingHttpProtocol]:
    """uvicorn's protocol, which leaves connections that begin with the preface to `Multiplexed`.

    Those on which a cluster key was shown are as many as web nodes want. Of others there may be
    some, and the oldest makes room: whoever has the key shows it at once, and is not crowded out.
    """
    cluster_keys = node.config.cluster_keys
    unproven: dict[PartingHttpProtocol, None] = {}  # oldest first

    class HttpOrMultiplexed(PartingHttpProtocol):
        is_new = True
        is_proven = False
        objection = ""  # to its client certificate
        is_told = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(cast(asyncio.Transport, transport))
            if len(unproven) >= UNPROVEN_MAX:
                oldest = next(iter(unproven))
                del unproven[oldest]
                oldest.transport.abort()
            unproven[self] = None
            self.await_head()
            peer = transport.get_extra_info("peername")  # None when it has left already
            if peer and not node.config.allowed_clients.include(peer[0]):
                logger.warning("A connection from %s is refused: it is not allowed.", peer[0])
                self.transport.abort()
            elif node.config.client is not None:
                connection = transport.get_extra_info("ssl_object")
                self.objection = node.config.client.objection(
                    connection.getpeercert(binary_form=True) if connection else None
                )
                if self.objection:
                    self.loop.call_later(_REFUSAL_SECONDS, self.transport.close)
                    logger.warning(
                        "A connection from %s is refused: %s.", peer and peer[0], self.objection
                    )

        def data_received(self, data: bytes) -> None:
            if self.objection:
                if not self.is_told:
                    self.is_told = True
                    self.transport.write(_refusal(self.objection))
                    self.transport.pause_reading()
                return
            if self.is_new and data.startswith(PREFACE):
                self.connections.discard(self)
                protocol = Multiplexed(node, self.server_state, self.settle)
                self.transport.set_protocol(protocol)
                protocol.connection_made(self.transport)
                protocol.data_received(data)
                return
            self.is_new = False
            super().data_received(data)

        def on_headers_complete(self) -> None:
            if not self.is_proven and shows_key(authorization(self.headers), cluster_keys):
                self.is_proven = True
                unproven.pop(self, None)
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            unproven.pop(self, None)
            super().connection_lost(exc)

        def settle(self) -> None:
            """It is a web node's connection for frames, or was to be one and has ended."""
            unproven.pop(self, None)
            self.stop_timer()

    HttpOrMultiplexed.node = node
    return HttpOrMultiplexed


def _refusal(objection: str) -> bytes:
    """The answer to whoever shows another client certificate, whatever is asked."""
    error = ClientRefused(f"It takes calls of another client only: {objection}.")
    body = compact(error.body())
    return (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%b" % (len(body), body)
    )


class Multiplexed(asyncio.Protocol):
    """One connection of a web node. Calls run side by side; when it is lost all are cancelled."""

    def __init__(
        self, node: ComputeNode, state: ServerState, on_settled: Callable[[], None]
    ) -> None:
        self._node = node
        self._on_settled = on_settled  # called when the preface was right or all is over
        self._state = state  # by which uvicorn knows what is under way when it stops
        self._transport: asyncio.Transport
        self._out: Outbox
        self._loop = asyncio.get_running_loop()
        self._is_open = False  # whether the preface was right
        self._opening = b""  # what has come of it
        self._reader = FrameReader()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._out = Outbox(self._transport)
        self._state.connections.add(cast(Any, self))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Part of asyncio.Protocol."""
        self._on_settled()
        self._state.connections.discard(cast(Any, self))
        for call in list(self._tasks):
            self._cancel(call)

    def shutdown(self) -> None:
        """Have the web node close: further calls are refused. For uvicorn."""
        if self._is_open:
            self._out.write(bye_frame())

    def pause_writing(self) -> None:
        """The web node does not read its answers: take no further calls until it does."""
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol."""
        self._writable.set()
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        if not self._is_open:
            data = self._open(data)
        try:
            for kind, call, first, second, payload in self._reader.feed(data):
                if kind == CALL:
                    self._begin(call, first, second, payload)
                elif kind == CANCEL:
                    self._cancel(call)
        except (NotAFrame, UnicodeDecodeError):
            logger.warning("A web node's connection is closed: it sent what makes no sense.")
            self._transport.abort()

    def _open(self, data: bytes) -> bytes:
        """Check the preface once it is whole; what follows it."""
        line, end, rest = (self._opening + data).partition(b"\r\n")
        if not end and len(line) < _PREFACE_BYTES:
            self._opening = line
            return b""
        preface, _, key = line.partition(b" ")
        if preface != PREFACE or not self._node.config.cluster_keys.accept(key):
            logger.warning("A connection is refused: its cluster key is missing or wrong.")
            self._transport.close()
            return b""
        self._is_open = True
        self._on_settled()
        self._out.write(_OPENING)
        if self._node.is_stopping:
            self._out.write(bye_frame())
        return rest

    def _begin(self, call: int, n_bundle: int, n_correlation: int, payload: bytes) -> None:
        if call in self._tasks:
            raise NotAFrame(f"a second call {call}")
        bundle_id = payload[:n_bundle].decode()
        body = payload[n_bundle + n_correlation :]
        correlation_id = proper_id(payload[n_bundle : n_bundle + n_correlation].decode())
        task = self._loop.create_task(self._serve(call, bundle_id, correlation_id, body))
        self._tasks[call] = task
        self._state.tasks.add(task)

    async def _serve(self, call: int, bundle_id: str, correlation_id: str, body: bytes) -> None:
        try:
            status, answer = await self._answer(call, bundle_id, correlation_id, body)
            for frame in answer_frames(call, status, answer):
                self._out.write(frame)
                if len(answer) > PIECE_BYTES:  # others have their turns meanwhile
                    await asyncio.sleep(0)
                    await self._writable.wait()
        finally:
            task = self._tasks.pop(call, None)
            if task is not None:  # else `_cancel` has seen to it
                self._state.tasks.discard(task)

    async def _answer(
        self, call: int, bundle_id: str, correlation_id: str, body: bytes
    ) -> tuple[int, bytes]:
        """Status and body, as over HTTP."""
        error: NodeError
        try:
            if self._node.is_stopping:
                raise stopping()
            bundle = self._node.bundles.get(bundle_id)
            return 200, await self._node.score(bundle, body, correlation_id=correlation_id)
        except NodeError as refusal:
            error = refusal
        except asyncio.CancelledError:
            if call not in self._tasks:  # nobody waits for it
                raise
            error = cut_off()
        except Exception:
            logger.exception("A scoring call failed")
            return 500, compact(internal_error_body())
        note_refusal(error, correlation_id, f"POST /v1/bundles/{ascii(bundle_id)[1:-1]}/score")
        return error.status, compact(error.body())

    def _cancel(self, call: int) -> None:
        task = self._tasks.pop(call, None)
        if task is not None:
            task.add_done_callback(self._state.tasks.discard)
            task.cancel()
