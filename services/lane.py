"""The scoring lane: hot scoring calls without Django's request cycle (architecture, one request).

A layer of plain ASGI. It takes `POST /api/{name}/{version}` with a bearer token; everything else
falls through to Django, whose view of the same address serves the sessions of browsers.

An Owner may ask where the time of a call goes, with the header `X-Timing`: the answer to `stages`
has them in the header `Server-Timing`, to `trace` also each step in `X-Trace` (nodes/stopwatch.py).
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from mlops.accounts import token_cache
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.coarse_timer import coarse_timer
from mlops.correlation import current_id, new_id
from mlops.errors import MlopsError, NotFound
from mlops.last_resort import NOSNIFF, error_of, internal_error
from nodes.compute_node import PLAIN, Answer
from nodes.runtime.pieces import Pieces
from nodes.runtime.sending import send_body
from nodes.stopwatch import Stopwatch, note_trace
from services import metrics, scoring
from services.catalogue import Catalogue, PublishedVersion
from services.permissions import require, require_consume, require_scope

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

# A call that is answered within this time does not pay for watching its client.
WATCH_AFTER_SECONDS = 0.05

_JSON = b"application/json"
_TIMING = b"x-timing"
_TRACE = b"trace"
_Headers = list[tuple[bytes, bytes]]


class ScoringLane:
    """Answers hot scoring calls itself and hands everything else to `app`."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app
        self._catalogue = Catalogue()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            segments = _scoring_path(scope)
            token = _bearer_token(scope)
            if segments is not None and token is not None:
                formats, timing = _formats(scope)
                await self._serve(receive, send, segments, token, formats, timing)
                return
        await self._app(scope, receive, send)

    async def _serve(
        self,
        receive: "Receive",
        send: "Send",
        segments: tuple[bytes, bytes],
        token: str,
        formats: Mapping[str, str],
        timing: bytes,
    ) -> None:
        extra: _Headers = []
        content_type = _JSON
        watch = Stopwatch(is_traced=timing == _TRACE) if timing else None
        try:
            if watch:
                answer = await self._score_watched(receive, segments, token, formats, watch)
            else:
                answer = await self._score(receive, segments, token, formats)
            body, content_type = answer
            status = 200
        except _ClientGone:
            metrics.note_request(metrics.CALLER_GONE)
            return
        except MlopsError as error:
            status, body, extra = error.status, _json(error.body()), _headers_of(error)
        except Exception as fault:
            logger.exception("Scoring failed.")
            status, body = 500, _json(internal_error())
            if unavailable := error_of(fault):
                status, body = unavailable.status, _json(unavailable.body())
                extra = _headers_of(unavailable)
        metrics.note_request(status)
        if watch:
            extra = [*extra, *watch.headers()]
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            NOSNIFF,
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send_body(send, body)

    async def _score(
        self,
        receive: "Receive",
        segments: tuple[bytes, bytes],
        token: str,
        formats: Mapping[str, str],
    ) -> Answer:
        """The node's answer; raises MlopsError or _ClientGone."""
        caller = await token_cache.caller_of(token)
        require(caller.role, Role.READER)
        published = await self._find(segments, caller)
        require_consume(published, caller)
        body = await _read_body(receive)
        with _ClientWatch(receive):
            return await scoring.answer(
                published, body, correlation_id=current_id() or new_id(), formats=formats
            )

    async def _score_watched(
        self,
        receive: "Receive",
        segments: tuple[bytes, bytes],
        token: str,
        formats: Mapping[str, str],
        watch: Stopwatch,
    ) -> Answer:
        """The same; `watch` tells an Owner where the time goes, and others nothing."""
        with watch.span("Token and permission"):
            caller = await token_cache.caller_of(token)
        if caller.role != Role.OWNER:
            return await self._score(receive, segments, token, formats)
        watch.is_open = True
        with watch.span("Catalogue"):
            published = await self._find(segments, caller)
        correlation_id = current_id() or new_id()
        if watch.is_traced:
            note_trace(f"A call of {published.name}/{published.version} by {caller.username}.")
        with watch.span("Body"):
            body = await _read_body(receive)
        with _ClientWatch(receive):
            return await scoring.answer(
                published, body, correlation_id=correlation_id, formats=formats, watch=watch
            )

    async def _find(self, segments: tuple[bytes, bytes], caller: Caller) -> PublishedVersion:
        try:
            name, version = _decoded(segments[0]), _decoded(segments[1])
        except UnicodeDecodeError:
            found = None
        else:
            require_scope(caller.services, name)
            found = await self._catalogue.find(name, version)
        if found is None:
            raise NotFound("There is no such version of this service.")
        return found


class _ClientGone(Exception):  # noqa: N818 - nobody is left to be told
    """The client closed the connection."""


class _ClientWatch:
    """Breaks off what runs in its context when the client goes away, and raises _ClientGone.

    That closes the connection to the node as well, which stops the run there.
    """

    def __init__(self, receive: "Receive") -> None:
        self._receive = receive
        self._timer = coarse_timer(WATCH_AFTER_SECONDS)
        self._is_gone = False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._set = self._timer.start(self._start)

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel(self._set)
        if self._watcher is not None:
            self._watcher.cancel()
        # Cancelled by somebody else as well, the task must end as cancelled.
        if self._is_gone and self._task is not None and self._task.uncancel() == 0:
            raise _ClientGone from None


def _scoring_path(scope: "Scope") -> tuple[bytes, bytes] | None:
    """The name and version of `/api/{name}/{version}`, still percent-encoded; None elsewhere."""
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    parts = raw_path.split(b"/")
    if len(parts) != 4 or parts[1] != b"api" or parts[0] or not parts[2] or not parts[3]:
        return None
    return parts[2], parts[3]


def _decoded(segment: bytes) -> str:
    """A segment of a path as text; UnicodeDecodeError when it is none."""
    return (unquote_to_bytes(segment) if b"%" in segment else segment).decode()


def _bearer_token(scope: "Scope") -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None
    return None


def _formats(scope: "Scope") -> tuple[Mapping[str, str], bytes]:
    """The headers that say in which formats the body comes and the answer goes, for the node, and
    what is asked about the time that the call takes.

    Nothing for nearly all calls, which come and go as JSON.
    """
    formats: Mapping[str, str] = PLAIN
    timing = b""
    for name, value in scope["headers"]:
        if (name == b"content-type" and not value.startswith(_JSON)) or (
            name == b"accept" and (b"csv" in value.lower() or b"arrow" in value.lower())
        ):
            formats = {**formats, name.decode(): value.decode("latin-1")}
        elif name == _TIMING:
            timing = value
    return formats, timing


async def _read_body(receive: "Receive") -> bytes:
    """The whole body, whose size the layer outside of this one bounds; raises _ClientGone."""
    pieces = Pieces()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        pieces.add(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces.whole()


def _headers_of(error: MlopsError) -> _Headers:
    if error.status == 401:
        return [(b"www-authenticate", b"Bearer")]
    return [(b"retry-after", b"1")] if error.retryable else []


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
