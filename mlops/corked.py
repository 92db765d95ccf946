"""uvicorn's protocol, whose answers leave in one piece.

uvicorn writes the head and the body of an answer one after the other, and the event loop sends each
at once: two system calls and two packets for every small answer.
"""

import asyncio
from typing import Any, cast

from nodes.runtime.heads import BoundedHeadProtocol

_STATUS_LINE = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100"


class CorkedHttpProtocol(BoundedHeadProtocol):
    """Hands uvicorn a transport that joins the head of an answer and what follows it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        super().connection_made(cast(Any, _Corked(cast(asyncio.Transport, transport))))


class _Corked:
    """A transport that holds the head of an answer back for the first piece of its body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write it, or hold it for a moment."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(_STATUS_LINE) and not data.startswith(_CONTINUE):
            self._head = data
            self._loop.call_soon(self._flush)  # a body that takes its time does not keep the head
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write what waits, then close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Part of asyncio.Transport, asked for every answer."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            if not self._transport.is_closing():  # uvloop refuses what others drop
                self._transport.write(head)
