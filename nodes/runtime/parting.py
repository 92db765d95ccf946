"""Closing kept HTTP connections so that no request on its way is lost.

A node that just closed a connection on which it waits for the next request would lose one that was
sent at that moment, and nobody could tell whether it had run. So it says on the connection that it
stops and reads nothing any more: to a request that was on its way this is the answer, which says
that it was not run. The web node closes the connection in any case.
"""

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from .answers import compact, stopping
from .heads import BoundedHeadProtocol

if TYPE_CHECKING:
    from .node import ComputeNode


class PartingHttpProtocol(BoundedHeadProtocol):
    """uvicorn's protocol, parting from its web node in this way. Subclasses name their `node`."""

    node: "ComputeNode"
    _parts_soon = False
    _has_parted = False

    def shutdown(self) -> None:
        """Part now or after the answer under way. For uvicorn."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            return  # its first request is still to come, and will be refused
        if cycle.response_complete:
            self._part()
        elif cycle.response_started:  # without having said that it would be the last answer
            self._parts_soon = True
        else:
            cycle.keep_alive = False

    def on_headers_complete(self) -> None:
        """Part after the answer when the node has begun to stop before the request came."""
        super().on_headers_complete()
        if self.node.is_stopping:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Part, if that was the last answer."""
        super().on_response_complete()
        if self._parts_soon:
            self._part()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        if not self._has_parted:
            super().data_received(data)

    def _part(self) -> None:
        self._has_parted = True
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.transport.write(_last_words())


def _last_words() -> bytes:
    error = stopping()
    body = compact(error.body())
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
