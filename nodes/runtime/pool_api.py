"""The routes of dedicated pools (compute node API)."""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import SMALL_BODY_BYTES, json_answer, route, whole_body
from .definitions import read_size
from .errors import InvalidRequest
from .node import ComputeNode


def routes(node: ComputeNode) -> list[Route]:
    """All routes of pools; each is that of a bundle."""
    return [
        route(node, "GET", "/v1/bundles/{id}/pool", _get_pool),
        route(node, "PUT", "/v1/bundles/{id}/pool", _put_pool),
        route(node, "DELETE", "/v1/bundles/{id}/pool", _delete_pool),
        route(node, "GET", "/v1/pools", _list_pools),
    ]


async def _list_pools(node: ComputeNode, _: Request) -> Response:
    pools, receiving = list(node.dedicated.reports()), node.bundles.receiving()
    return json_answer({"pools": pools, "receiving": receiving})


async def _get_pool(node: ComputeNode, request: Request) -> Response:
    return json_answer(node.dedicated.report(request.path_params["id"]))


async def _put_pool(node: ComputeNode, request: Request) -> Response:
    body = await whole_body(request, SMALL_BODY_BYTES)
    try:
        size = read_size(json.loads(body))
    except ValueError:
        raise InvalidRequest("The body must be JSON.") from None
    await node.dedicated.put(request.path_params["id"], size)
    return json_answer(node.dedicated.report(request.path_params["id"]))


async def _delete_pool(node: ComputeNode, request: Request) -> Response:
    await node.dedicated.delete(request.path_params["id"])
    return json_answer({})
