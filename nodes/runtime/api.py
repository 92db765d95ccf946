"""The routes of the compute node API: read the request, ask the node, answer."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from . import metrics, pool_api, session_api
from .answers import (
    StoppedByDisconnect,
    bounded_body,
    correlation_id,
    json_answer,
    refusal,
    route,
    stopping,
    whole_body,
)
from .authorization import METRICS_PATH
from .errors import NodeError
from .exposition import CONTENT_TYPE
from .node import ComputeNode


def routes(node: ComputeNode) -> list[Route]:
    """All routes, scoring first."""
    return [
        Route("/v1/bundles/{id}/score", _Score(node)),
        route(node, "GET", "/v1/health", _health),
        route(node, "GET", METRICS_PATH, _metrics),
        route(node, "PUT", "/v1/bundles/{id}", _put_bundle),
        *pool_api.routes(node),
        *session_api.routes(node),
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
            response = refusal(error, Request(scope))
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the node stops and waits no longer
            response = refusal(stopping(), Request(scope))
        await response(scope, receive, send)

    async def _score(self, scope: Scope, receive: Receive) -> Response:
        bundle_id = scope["path_params"]["id"]
        self._node.bundles.get(bundle_id)  # a body for nothing need not be read
        request = Request(scope, receive)
        body = await whole_body(request, self._node.config.score_max_bytes)
        bundle = self._node.bundles.get(bundle_id)
        async with StoppedByDisconnect(receive):
            result = await self._node.score(bundle, body, correlation_id=correlation_id(request))
        return Response(result, media_type="application/json")


async def _health(node: ComputeNode, _: Request) -> Response:
    return json_answer(node.health())


async def _metrics(node: ComputeNode, _: Request) -> Response:
    return Response(await metrics.report(node), media_type=CONTENT_TYPE)


async def _put_bundle(node: ComputeNode, request: Request) -> Response:
    body = bounded_body(request, node.config.upload_max_bytes)
    await node.bundles.put(request.path_params["id"], body)
    return json_answer({}, status=201)
