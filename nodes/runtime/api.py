"""The routes of the compute node API: read the request, ask the node, answer."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import metrics, pool_api, session_api
from .answers import bounded_body, json_answer, route
from .authorization import METRICS_PATH
from .exposition import CONTENT_TYPE
from .node import ComputeNode


def routes(node: ComputeNode) -> list[Route]:
    """All routes but the one for scoring, which has a lane of its own (score_lane.py)."""
    return [
        route(node, "GET", "/v1/health", _health),
        route(node, "GET", METRICS_PATH, _metrics),
        route(node, "PUT", "/v1/bundles/{id}", _put_bundle),
        *pool_api.routes(node),
        *session_api.routes(node),
    ]


async def _health(node: ComputeNode, _: Request) -> Response:
    return json_answer(node.health())


async def _metrics(node: ComputeNode, _: Request) -> Response:
    return Response(await metrics.report(node), media_type=CONTENT_TYPE)


async def _put_bundle(node: ComputeNode, request: Request) -> Response:
    body = bounded_body(request, node.config.upload_max_bytes)
    await node.bundles.put(request.path_params["id"], body)
    return json_answer({}, status=201)
