"""Bounds on the heads of HTTP requests, which come before anybody has proved anything.

The parser joins the parts of a header again whenever more of it comes, so that one that does not
end takes all time; and a head that never comes to its end would keep its connection for ever. What
is between a body and the end of its request, such as trailers, is bounded in the same way.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_MAX_BYTES = 64 * 1024
HEAD_SECONDS = 10.0  # from its first byte to its last
REST_SECONDS = 60.0  # for what is left of a body when its request has been answered

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
    b"content-length: 30\r\nconnection: close\r\n\r\nThe request head is too large."
)


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which takes heads of a bounded size in a bounded time."""

    _n_bytes = 0  # since the last thing came to its end: a head, a piece of a body, a request
    _is_in_body = False
    _timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        room = HEAD_MAX_BYTES - self._n_bytes
        while len(data) > room and not self._is_in_body:
            self._feed(data[:room])
            if self.transport.is_closing():
                return
            data, room = data[room:], HEAD_MAX_BYTES - self._n_bytes
        if data:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._n_bytes += len(data)
        super().data_received(data)
        if self._n_bytes >= HEAD_MAX_BYTES:
            self._refuse()
        elif self._timer is None:
            if self._is_in_body:
                if self.cycle.response_complete:
                    self._timer = self.loop.call_later(REST_SECONDS, self._on_late)
            elif self._n_bytes:
                self._timer = self.loop.call_later(HEAD_SECONDS, self._on_late)

    def on_headers_complete(self) -> None:
        """Part of the parser's protocol."""
        self._n_bytes = 0
        self._is_in_body = True
        self.stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of the parser's protocol."""
        self._n_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Part of the parser's protocol."""
        self._n_bytes = 0
        self._is_in_body = False
        self.stop_timer()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self.stop_timer()
        super().connection_lost(exc)

    def await_head(self) -> None:
        """Close the connection when no head comes in time."""
        self._timer = self.loop.call_later(HEAD_SECONDS, self._on_late)

    def stop_timer(self) -> None:
        """The head has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        if self._is_answering():  # an answer in another would be worse than none
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _on_late(self) -> None:
        self._timer = None
        if self._is_answering():
            self._timer = self.loop.call_later(HEAD_SECONDS, self._on_late)
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete
