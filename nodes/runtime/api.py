"""The routes of the compute node API: read the request, ask the node, answer."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .definitions import read_size
from .errors import InvalidRequest, NodeError, RuntimeUnavailable, TooLarge
from .node import ComputeNode

logger = logging.getLogger(__name__)

_WATCH_AFTER_SECONDS = 0.05
_SMALL_BODY_BYTES = 64 * 1024

Handler = Callable[[ComputeNode, Request], Awaitable[Response]]


def routes(node: ComputeNode) -> list[Route]:
    """All routes, scoring first."""
    workspace, snapshot = "/v1/sessions/{id}/workspace", "/v1/sessions/{id}/snapshot"
    return [
        Route("/v1/bundles/{id}/score", _Score(node)),
        _route(node, "GET", "/v1/health", _health),
        _route(node, "PUT", "/v1/bundles/{id}", _put_bundle),
        _route(node, "GET", "/v1/bundles/{id}/pool", _get_pool),
        _route(node, "PUT", "/v1/bundles/{id}/pool", _put_pool),
        _route(node, "DELETE", "/v1/bundles/{id}/pool", _delete_pool),
        _route(node, "GET", "/v1/pools", _list_pools),
        _route(node, "POST", "/v1/sessions", _open_session),
        _route(node, "DELETE", "/v1/sessions/{id}", _close_session),
        _route(node, "GET", workspace, _list_objects),
        _route(node, "PUT", workspace + "/{name}", _put_object),
        _route(node, "GET", workspace + "/{name}", _get_object),
        _route(node, "DELETE", workspace + "/{name}", _delete_object),
        _route(node, "POST", snapshot, _save_snapshot),
        _route(node, "PUT", snapshot, _load_snapshot),
    ]


class _Score:
    """The hot route, as plain ASGI: a run is stopped when its caller hangs up."""

    def __init__(self, node: ComputeNode) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise HTTPException(405)
        try:
            response = await self._score(scope, receive)
        except NodeError as error:
            response = _refusal(error, Request(scope))
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the node stops and waits no longer
            stopping = RuntimeUnavailable("The compute node is stopping.")
            response = _refusal(stopping, Request(scope))
        await response(scope, receive, send)

    async def _score(self, scope: Scope, receive: Receive) -> Response:
        bundle_id = scope["path_params"]["id"]
        self._node.bundles.get(bundle_id)  # a body for nothing need not be read
        request = Request(scope, receive)
        chunks = _bounded_body(request, self._node.config.score_max_bytes)
        body = b"".join([chunk async for chunk in chunks])
        bundle = self._node.bundles.get(bundle_id)
        correlation_id = _correlation_id(request)
        async with _StoppedByDisconnect(receive):
            result = await self._node.score(bundle, body, correlation_id=correlation_id)
        return Response(result, media_type="application/json")


class _StoppedByDisconnect:
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


async def _health(node: ComputeNode, _: Request) -> Response:
    return _json(node.health())


async def _put_bundle(node: ComputeNode, request: Request) -> Response:
    body = _bounded_body(request, node.config.upload_max_bytes)
    await node.bundles.put(request.path_params["id"], body)
    return _json({}, status=201)


async def _list_pools(node: ComputeNode, _: Request) -> Response:
    pools, receiving = list(node.dedicated.reports()), node.bundles.receiving()
    return _json({"pools": pools, "receiving": receiving})


async def _get_pool(node: ComputeNode, request: Request) -> Response:
    return _json(node.dedicated.report(request.path_params["id"]))


async def _put_pool(node: ComputeNode, request: Request) -> Response:
    chunks = _bounded_body(request, _SMALL_BODY_BYTES)
    try:
        size = read_size(json.loads(b"".join([chunk async for chunk in chunks])))
    except ValueError:
        raise InvalidRequest("The body must be JSON.") from None
    await node.dedicated.put(request.path_params["id"], size)
    return _json(node.dedicated.report(request.path_params["id"]))


async def _delete_pool(node: ComputeNode, request: Request) -> Response:
    await node.dedicated.delete(request.path_params["id"])
    return _json({})


async def _open_session(node: ComputeNode, request: Request) -> Response:
    chunks = _bounded_body(request, _SMALL_BODY_BYTES)
    try:
        wish = json.loads(b"".join([chunk async for chunk in chunks]))
        session_id, runtime = str(wish["id"]), str(wish["runtime"])
    except (ValueError, KeyError, TypeError):
        raise InvalidRequest("The body must be an object with id and runtime.") from None
    await node.sessions.open(session_id, runtime)
    return _json({}, status=201)


async def _close_session(node: ComputeNode, request: Request) -> Response:
    force = request.query_params.get("force") == "1"
    await node.sessions.close(request.path_params["id"], force=force)
    return _json({})


async def _list_objects(node: ComputeNode, request: Request) -> Response:
    return _json({"objects": await node.sessions.list_objects(request.path_params["id"])})


async def _put_object(node: ComputeNode, request: Request) -> Response:
    body = _bounded_body(request, node.config.upload_max_bytes)
    await node.sessions.put_object(request.path_params["id"], request.path_params["name"], body)
    return _json({})


async def _get_object(node: ComputeNode, request: Request) -> Response:
    path = await node.sessions.get_object(request.path_params["id"], request.path_params["name"])
    return _file(path, "application/octet-stream")


async def _delete_object(node: ComputeNode, request: Request) -> Response:
    await node.sessions.delete_object(request.path_params["id"], request.path_params["name"])
    return _json({})


async def _save_snapshot(node: ComputeNode, request: Request) -> Response:
    path = await node.sessions.save_snapshot(request.path_params["id"])
    return _file(path, "application/zip")


async def _load_snapshot(node: ComputeNode, request: Request) -> Response:
    body = _bounded_body(request, node.config.upload_max_bytes)
    await node.sessions.load_snapshot(request.path_params["id"], body)
    return _json({})


def _route(node: ComputeNode, method: str, path: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(node, request)
        except NodeError as error:
            return _refusal(error, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it

    return Route(path, endpoint, methods=[method])


async def _bounded_body(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes; `TooLarge` at once when announced, else when it gets so."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdigit() else 0
    if size > max_bytes:
        raise TooLarge(f"The body is larger than the {max_bytes} bytes that this node takes.")
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"The body is larger than the {max_bytes} bytes that this node takes.")
        yield chunk


async def answer_unknown_route(_: Request, error: Exception) -> Response:
    """404 and 405 in the error form of this API."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _json({"code": "no-such-route", "message": "There is no such route."}, status=status)


async def answer_internal_error(request: Request, error: Exception) -> Response:
    """500 in the error form of this API; the server logs the error itself."""
    logger.error("Call %s failed: %s", _correlation_id(request), type(error).__name__)
    return _json({"code": "internal-error", "message": "The compute node failed."}, status=500)


def _correlation_id(request: Request) -> str:
    """The id that the web node gave to the request for which it calls; "" when it gave none."""
    return request.headers.get("x-correlation-id", "")


def _json(data: Any, status: int = 200) -> Response:
    body = json.dumps(data, separators=(",", ":")).encode()
    return Response(body, status_code=status, media_type="application/json")


def _file(path: Path, media_type: str) -> Response:
    return FileResponse(
        path, media_type=media_type, background=BackgroundTask(path.unlink, missing_ok=True)
    )


def _refusal(error: NodeError, request: Request) -> Response:
    """The answer; what is not the caller's fault is logged under the id that the caller has."""
    if error.status >= 500:
        call = _correlation_id(request) or "without an id"
        route = f"{request.method} {request.scope.get('raw_path', b'').decode('latin-1')}"
        logger.warning("Call %s, %s: %s", call, route, error.message)
    response = _json(error.body(), status=error.status)
    if error.retry_after_seconds is not None:
        response.headers["retry-after"] = str(error.retry_after_seconds)
    return response
