"""The routes of sessions (compute node API)."""

import json
import os
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import (
    SMALL_BODY_BYTES,
    StoppedByDisconnect,
    bounded_body,
    file_answer,
    json_answer,
    route,
    stream_answer,
    whole_body,
)
from .errors import InvalidRequest
from .node import ComputeNode
from .session import Session

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def routes(node: ComputeNode) -> list[Route]:
    """All routes below `/v1/sessions`."""
    one = "/v1/sessions/{id}"
    return [
        route(node, "POST", "/v1/sessions", _open_session),
        route(node, "GET", "/v1/sessions", _list_sessions),
        route(node, "DELETE", one, _close_session),
        # Running code.
        route(node, "POST", one + "/execute", _execute),
        route(node, "POST", one + "/cancel", _cancel),
        route(node, "GET", one + "/console", _console),
        route(node, "GET", one + "/history", _history),
        # Files of the working directory.
        route(node, "GET", one + "/files", _list_files),
        route(node, "PUT", one + "/files/{path:path}", _put_file),
        route(node, "GET", one + "/files/{path:path}", _get_file),
        route(node, "DELETE", one + "/files/{path:path}", _delete_file),
        # Objects of the workspace.
        route(node, "GET", one + "/workspace", _list_objects),
        route(node, "PUT", one + "/workspace/{name}", _put_object),
        route(node, "GET", one + "/workspace/{name}", _get_object),
        route(node, "DELETE", one + "/workspace/{name}", _delete_object),
        # All of it as a zip.
        route(node, "POST", one + "/snapshot", _save_snapshot),
        route(node, "PUT", one + "/snapshot", _load_snapshot),
    ]


async def _open_session(node: ComputeNode, request: Request) -> Response:
    body = await whole_body(request, SMALL_BODY_BYTES)
    try:
        wish = json.loads(body)
        session_id, runtime = str(wish["id"]), str(wish["runtime"])
    except (ValueError, KeyError, TypeError):
        raise InvalidRequest("The body must be an object with id and runtime.") from None
    if not _GUID.fullmatch(session_id):
        raise InvalidRequest("The id of a session must be a GUID in lower case.")
    await node.sessions.open(session_id, runtime)
    return json_answer({}, status=201)


async def _list_sessions(node: ComputeNode, _: Request) -> Response:
    return json_answer({"sessions": node.sessions.ids()})


async def _close_session(node: ComputeNode, request: Request) -> Response:
    force = request.query_params.get("force") == "1"
    await _session(node, request).close(force=force)
    return json_answer({})


async def _execute(node: ComputeNode, request: Request) -> Response:
    session = _session(node, request)
    body = await whole_body(request, node.config.score_max_bytes)
    async with StoppedByDisconnect(request.receive):
        answer = await session.execute(body)
    return Response(answer, media_type="application/json")


async def _cancel(node: ComputeNode, request: Request) -> Response:
    _session(node, request).cancel()
    return json_answer({})


async def _console(node: ComputeNode, request: Request) -> Response:
    return json_answer({"consoleOutput": _session(node, request).console_output()})


async def _history(node: ComputeNode, request: Request) -> Response:
    return json_answer({"history": _session(node, request).history()})


async def _list_files(node: ComputeNode, request: Request) -> Response:
    return json_answer({"files": await _session(node, request).list_files()})


async def _put_file(node: ComputeNode, request: Request) -> Response:
    body = bounded_body(request, node.config.upload_max_bytes)
    await _session(node, request).put_file(request.path_params["path"], body)
    return json_answer({})


async def _get_file(node: ComputeNode, request: Request) -> Response:
    file = await _session(node, request).open_file(request.path_params["path"])
    return stream_answer(file, os.fstat(file.fileno()).st_size)


async def _delete_file(node: ComputeNode, request: Request) -> Response:
    await _session(node, request).delete_file(request.path_params["path"])
    return json_answer({})


async def _list_objects(node: ComputeNode, request: Request) -> Response:
    return json_answer({"objects": await _session(node, request).list_objects()})


async def _put_object(node: ComputeNode, request: Request) -> Response:
    body = bounded_body(request, node.config.upload_max_bytes)
    await _session(node, request).put_object(request.path_params["name"], body)
    return json_answer({})


async def _get_object(node: ComputeNode, request: Request) -> Response:
    path = await _session(node, request).get_object(request.path_params["name"])
    return file_answer(path, "application/octet-stream")


async def _delete_object(node: ComputeNode, request: Request) -> Response:
    await _session(node, request).delete_object(request.path_params["name"])
    return json_answer({})


async def _save_snapshot(node: ComputeNode, request: Request) -> Response:
    path = await _session(node, request).save_snapshot()
    return file_answer(path, "application/zip")


async def _load_snapshot(node: ComputeNode, request: Request) -> Response:
    body = bounded_body(request, node.config.upload_max_bytes)
    await _session(node, request).load_snapshot(body)
    return json_answer({})


def _session(node: ComputeNode, request: Request) -> Session:
    return node.sessions.get(request.path_params["id"])
