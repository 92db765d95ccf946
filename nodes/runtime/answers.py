"""How routes of the compute node API read requests and answer, whatever they are about."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive

from . import laps
from .errors import BodyStalled, CutOff, NodeError, Stopping, TooLarge
from .node import ComputeNode

logger = logging.getLogger(__name__)

SMALL_BODY_BYTES = 64 * 1024

BODY_SECONDS = 60.0  # between two parts of a body: a slow one may come, a stalled one not

_CORRELATION_ID = re.compile(r"[!-~]{1,128}")  # printable ASCII without blanks
_WATCH_AFTER_SECONDS = 0.05
_CHUNK_BYTES = 256 * 1024

Handler = Callable[[ComputeNode, Request], Awaitable[Response]]


def route(node: ComputeNode, method: str, path: str, handler: Handler) -> Route:
    """A route that calls `handler` and answers its refusals."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("x-laps"):
            path = request.scope.get("raw_path", b"").decode("latin-1")
            laps.note_traced(correlation_id(request), f"{method} {path}")
        try:
            return await handler(node, request)
        except NodeError as error:
            return refusal(error, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except asyncio.CancelledError:
            return refusal(cut_off(), request)

    return Route(path, endpoint, methods=[method])


async def whole_body(request: Request, max_bytes: int) -> bytes:
    """The body in one piece; `TooLarge` and `BodyStalled` as in `bounded_body`."""
    return b"".join([chunk async for chunk in bounded_body(request, max_bytes)])


async def bounded_body(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes; `TooLarge` at once when announced, else when it gets so, and
    `BodyStalled` when no more of it comes."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdigit() else 0
    if size > max_bytes:
        raise too_large(max_bytes)
    size = 0
    while True:
        message = await next_part(request.receive)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def next_part(receive: Receive) -> Message:
    """What comes next of a request; `BodyStalled` when nothing does."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await receive()
    except TimeoutError:
        raise BodyStalled(f"Nothing came of the body for {BODY_SECONDS:g} seconds.") from None


class StoppedByDisconnect:
    """Cancels what runs inside when the client hangs up, and raises `ClientDisconnect`.

    It looks only after a moment: short calls, the great majority, pay for no second task.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._disconnected = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = loop.call_later(_WATCH_AFTER_SECONDS, self._start_watch)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
        if self._disconnected and self._task and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise ClientDisconnect

    def _start_watch(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._disconnected = True
        if self._task:
            self._task.cancel()


async def answer_unknown_route(_: Request, error: Exception) -> Response:
    """404 and 405 in the error form of this API."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return json_answer(
        {"code": "no-such-route", "message": "There is no such route."}, status=status
    )


async def answer_internal_error(request: Request, error: Exception) -> Response:
    """500 in the error form of this API; the server logs the error itself."""
    logger.error("Call %s failed: %s", correlation_id(request), type(error).__name__)
    return internal_error()


def internal_error() -> Response:
    """What a call is answered that met a fault of this node."""
    return json_answer(internal_error_body(), status=500)


def internal_error_body() -> dict[str, Any]:
    """The same without HTTP."""
    return {"code": "internal-error", "message": "The compute node failed."}


def too_large(max_bytes: int) -> TooLarge:
    """What a call is answered whose body exceeds the limit."""
    return TooLarge(f"The body is larger than the {max_bytes} bytes that this node takes.")


def correlation_id(request: Request) -> str:
    """The id that the web node gave to the request for which it calls; "" when it gave none."""
    return proper_id(request.headers.get("x-correlation-id", ""))


def proper_id(correlation_id: str) -> str:
    """The id; "" for what is none, such as one that would make lines of its own in the log."""
    return correlation_id if _CORRELATION_ID.fullmatch(correlation_id) else ""


def cut_off() -> NodeError:
    """What a call is answered that the node's own end broke off."""
    return CutOff("The compute node stopped before the call had ended.")


def stopping() -> NodeError:
    """What a call is answered that comes when the node is told to stop."""
    return Stopping("The compute node is stopping.")


def json_answer(data: Any, status: int = 200) -> Response:
    """The data as compact JSON."""
    return Response(compact(data), status_code=status, media_type="application/json")


def compact(data: Any) -> bytes:
    """The data as JSON without blanks."""
    return json.dumps(data, separators=(",", ":")).encode()


def file_answer(path: Path, media_type: str) -> Response:
    """The file's bytes; it is removed once they are sent."""
    return FileResponse(
        path, media_type=media_type, background=BackgroundTask(path.unlink, missing_ok=True)
    )


def stream_answer(file: BinaryIO, size: int) -> Response:
    """The first `size` bytes of the open file, which is closed once they are sent."""

    async def chunks() -> AsyncIterator[bytes]:
        left = size
        with file:
            while left and (chunk := await asyncio.to_thread(file.read, min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    return StreamingResponse(
        chunks(),
        media_type="application/octet-stream",
        headers={"content-length": str(size)},
    )


def refusal(error: NodeError, request: Request) -> Response:
    """The answer; what is not the caller's fault is logged under the id that the caller has."""
    path = request.scope.get("raw_path", b"").decode("latin-1")
    note_refusal(error, correlation_id(request), f"{request.method} {path}")
    response = json_answer(error.body(), status=error.status)
    if error.retry_after_seconds is not None:
        response.headers["retry-after"] = str(error.retry_after_seconds)
    if error.ends_connection:
        response.headers["connection"] = "close"
    return response


def note_refusal(error: NodeError, correlation_id: str, route: str) -> None:
    """Log what is not the caller's fault."""
    if error.status >= 500:
        call = correlation_id or "without an id"
        logger.warning("Call %s, %s: %s", call, route, error.message)
