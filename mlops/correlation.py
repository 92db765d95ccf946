"""One id per request, by which answer and logs are brought together (wire-api section 3).

The outermost layer of the web node makes it and answers it in the header `CorrelationId`, whatever
comes of the request. Inside it is `current_id()`: in views and layers, in the threads they use, and
in the calls they make to compute nodes, which get it as `X-Correlation-Id`.
"""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "CorrelationId"
_HEADER = HEADER.lower().encode()

_current: ContextVar[str] = ContextVar("correlation_id", default="")
_traced: ContextVar[bool] = ContextVar("traced", default=False)
is_traced = _traced.get  # whether nodes are to note every call that belongs to the id


def new_id() -> str:
    """A lowercase GUID, made of random bits that guard nothing: it is made for every request."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def current_id() -> str:
    """The id of the request or task that is being served; "" outside of any."""
    return _current.get()


@contextmanager
def correlated(correlation_id: str, *, is_traced: bool = False) -> Iterator[None]:
    """What runs in the context belongs to `correlation_id`; for work that no request started."""
    token, traced = _current.set(correlation_id), _traced.set(is_traced)
    try:
        yield
    finally:
        _current.reset(token)
        _traced.reset(traced)


class Correlation:
    """Gives each request of `app` an id, and its answer the header; also in the scope's state."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = new_id()
        scope.setdefault("state", {})["correlation_id"] = correlation_id

        async def send_with_id(message: "Message") -> None:
            if message["type"] == "http.response.start":
                header = (_HEADER, correlation_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        token = _current.set(correlation_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _current.reset(token)


class CorrelationInLog(logging.Filter):
    """Lets a formatter name the id: `record.correlation` is " [id]", or "" outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is kept."""
        correlation_id = current_id()
        record.correlation = f" [{correlation_id}]" if correlation_id else ""
        return True
