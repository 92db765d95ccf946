"""Hot scoring calls, answered without Starlette's request cycle."""

import asyncio
import logging

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from . import laps
from .answers import (
    StoppedByDisconnect,
    cut_off,
    internal_error,
    next_part,
    proper_id,
    refusal,
    too_large,
)
from .errors import NodeError
from .formats.media import CONTENT_TYPES, PLAIN, formats_of
from .multiplex import OFFER
from .node import ComputeNode
from .pieces import Pieces
from .sending import send_body

logger = logging.getLogger(__name__)

_PREFIX, _SUFFIX = "/v1/bundles/", "/score"


class ScoreLane:
    """Answers `POST /v1/bundles/{id}/score` and hands everything else to `app`.

    A run is stopped when its caller hangs up.
    """

    def __init__(self, app: ASGIApp, node: ComputeNode) -> None:
        self._app = app
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        bundle_id = _bundle_id(scope)
        if bundle_id is None:
            await self._app(scope, receive, send)
            return
        try:
            result, content_type, asked = await self._score(bundle_id, scope, receive)
        except ClientDisconnect:
            return
        except NodeError as error:
            await refusal(error, Request(scope))(scope, receive, send)
        except asyncio.CancelledError:  # the node stops and waits no longer
            await refusal(cut_off(), Request(scope))(scope, receive, send)
        except Exception:
            logger.exception("A scoring call failed")
            await internal_error()(scope, receive, send)
        else:
            headers = [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(result)),
                (OFFER, b"1"),
            ]
            if asked:
                report = asked.report()
                headers.append((laps.HEADER, report))
                if asked.is_traced:
                    laps.note_traced(asked.correlation_id, f"bundle {bundle_id}", report)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send_body(send, result)

    async def _score(
        self, bundle_id: str, scope: Scope, receive: Receive
    ) -> tuple[bytes, bytes, laps.Laps | None]:
        """The answer, its content type, and where the time went if the caller asks."""
        self._node.bundles.get(bundle_id)  # a body for nothing need not be read
        correlation_id, announced, content_type, accept = "", b"", "", ""
        asked: laps.Laps | None = None
        for name, value in scope["headers"]:
            if name == b"x-correlation-id":
                correlation_id = proper_id(value.decode("latin-1"))
            elif name == b"content-length":
                announced = value
            elif name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"accept":
                accept = value.decode("latin-1")
            elif name == laps.HEADER:
                asked = laps.Laps(is_traced=value == laps.TRACE)
                laps.begin(asked)
        if asked:
            asked.correlation_id = correlation_id
        body = await _read_body(receive, announced, self._node.config.score_max_bytes)
        bundle = self._node.bundles.get(bundle_id)
        formats = PLAIN
        if content_type or accept:  # the web node hands on what is not plain JSON
            formats = formats_of(content_type if body else "", accept, bundle.manifest)
        async with StoppedByDisconnect(receive):
            answer = await self._node.score(
                bundle, body, correlation_id=correlation_id, formats=formats
            )
        return answer, CONTENT_TYPES[formats.answer], asked


def _bundle_id(scope: Scope) -> str | None:
    """The bundle that is to be scored; None for another kind of request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    if not path.startswith(_PREFIX) or not path.endswith(_SUFFIX):
        return None
    bundle_id = path[len(_PREFIX) : -len(_SUFFIX)]
    return bundle_id if bundle_id and "/" not in bundle_id else None


async def _read_body(receive: Receive, announced: bytes, max_bytes: int) -> bytes:
    """The whole body; `TooLarge` and `BodyStalled` as in `bounded_body`."""
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_large(max_bytes)
    pieces = Pieces()
    while True:
        message = await next_part(receive)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.add(message.get("body", b""))
        if pieces.size > max_bytes:
            raise too_large(max_bytes)
        if not message.get("more_body", False):
            return pieces.whole()
