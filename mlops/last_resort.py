"""The answer when a layer below failed without giving one, in the error object of the contract.

Django's views and the scoring lane answer for themselves; this is for faults of the layers around
them, which the server would answer with bare text.
"""

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError

from mlops.correlation import current_id
from mlops.errors import DatabaseUnavailable, MlopsError, Stopping, error_body

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

# An answer is of the type it says; Django's answers have the header too.
NOSNIFF = (b"x-content-type-options", b"nosniff")


def error_of(fault: BaseException) -> MlopsError | None:
    """The product's own error for a fault from below that callers may get over by waiting."""
    if isinstance(fault, OperationalError | InterfaceError):
        return DatabaseUnavailable()
    return None


def internal_error() -> dict[str, Any]:
    """The error object for a fault of ours; the log has the details, under the id of the call."""
    correlation_id = current_id()
    reference = f" (id {correlation_id})" if correlation_id else ""
    message = f"Something went wrong on the server; its log says more{reference}."
    return error_body(500, message, "ServerError")


class LastResort:
    """Answers 503 or 500 when `app` ends before it has begun to answer.

    That is when it raises, or when the server cancels it, as it does with what is under way at the
    end of its grace for a stop.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one ASGI connection."""
        has_begun = is_whole = is_over = False

        async def watched_send(message: "Message") -> None:
            nonlocal has_begun, is_whole
            if is_over:
                return  # a view that knows nothing of its request's end
            has_begun = True
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, watched_send)
        except asyncio.CancelledError:
            if is_whole:
                return
            if has_begun or scope["type"] != "http":
                raise
            is_over = True
            await _refuse(send, Stopping())
        except Exception as fault:
            logger.exception("A request failed.")
            if has_begun or scope["type"] != "http":
                raise  # the server closes the connection, so that nobody takes a part for a whole
            if error := error_of(fault):
                await _refuse(send, error)
            else:
                await send_json(send, 500, internal_error(), [])


async def _refuse(send: "Send", error: MlopsError) -> None:
    extra = [(b"retry-after", b"1")] if error.retryable else []
    await send_json(send, error.status, error.body(), extra)


async def send_json(
    send: "Send", status: int, body: object, extra: list[tuple[bytes, bytes]]
) -> None:
    """Send one whole answer of compact JSON."""
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        NOSNIFF,
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
