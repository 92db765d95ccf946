"""Exchanges with the REST API checked against our own OpenAPI document.

`tests/conftest.py` has every call of a Django or DRF test client checked, and the clients of real
nodes and boxes carry it as a hook, see `CHECKED`. A status, a type or a member that the document
does not promise fails the test that met it; so does a request which succeeded although the document
does not allow it.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import requests
from django.test import Client
from django.urls import Resolver404, resolve
from jsonschema import Draft4Validator, FormatChecker

from tests.contract.document import document, nameless, operations, resolved

_JSON = "application/json"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BLANK = re.compile(rb"\s")


class ContractError(AssertionError):
    """The exchange is not as the OpenAPI document says."""


def check(
    method: str,
    path: str,
    *,
    sent: bytes | None,
    status: int,
    content_type: str,
    body: bytes | None,
) -> None:
    """Raise ContractError unless the exchange is as documented.

    `path` is without query, not percent-encoded. A body that is None is not looked at. Addresses
    beside the REST API pass.
    """
    try:
        route = nameless(f"/{resolve(path).route}")
    except Resolver404:
        return
    if not any(known == route for _, known in operations()):
        return  # the console, static files, this document itself
    if content_type.startswith("text/html"):
        return  # the page that the browsable API makes of an answer
    where = f"{method} {path} answered {status}"
    operation = operations().get((method, route))
    if operation is None:
        if method in ("OPTIONS", "HEAD"):
            return
        if status < 400:
            raise ContractError(f"{where}, a method which the document does not know")
        _require_error(status, body)
        return
    promised = operation["responses"].get(str(status))
    if promised is None:
        raise ContractError(f"{where}, which the document does not know: {_start(body)}")
    media_type = content_type.partition(";")[0]
    if "content" not in promised:
        if body:
            raise ContractError(f"{where} with a body, where there is none: {_start(body)}")
    elif media_type not in promised["content"]:
        raise ContractError(f"{where} with {content_type}, not {set(promised['content'])}")
    elif media_type == _JSON and body is not None:
        _require_valid(where, promised["content"][_JSON]["schema"], body)
    if status < 300:
        _require_allowed(f"{method} {path}", operation, sent)


def checked(generic: Callable[..., Any]) -> Callable[..., Any]:
    """`django.test.Client.generic`, through which all its calls go, with `check` after each."""

    @functools.wraps(generic)
    def call(
        client: Client,
        method: str,
        path: str,
        data: Any = "",
        content_type: str | None = "application/octet-stream",
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        response = generic(client, method, path, data, content_type, *args, **kwargs)
        sent = data.encode() if isinstance(data, str) else bytes(data)
        check(
            method,
            response.request["PATH_INFO"].encode("latin-1").decode(errors="replace"),
            sent=None if content_type == "text/csv" else sent,
            status=response.status_code,
            content_type=response.get("Content-Type", ""),
            body=None if response.streaming else response.content,
        )
        return response

    return call


def checked_answer(response: httpx.Response) -> None:
    """A response hook for `httpx.Client`; what is streamed is judged by its head alone."""
    request = response.request
    media_type = response.headers.get("content-type", "")
    body = response.read() if media_type.startswith(_JSON) else None
    try:
        sent = request.content
    except httpx.RequestNotRead:
        sent = None
    check(
        request.method,
        request.url.path,
        sent=sent,
        status=response.status_code,
        content_type=media_type,
        body=body,
    )


def checked_reply(response: requests.Response, **_: Any) -> None:
    """The same hook for a `requests.Session`."""
    request = response.request
    media_type = response.headers.get("content-type", "")
    check(
        request.method or "",
        unquote(urlsplit(request.url or "").path),
        sent=request.body.encode() if isinstance(request.body, str) else request.body,
        status=response.status_code,
        content_type=media_type,
        body=response.content if media_type.startswith(_JSON) else None,
    )


# The hooks of a checked `httpx.Client`.
CHECKED: dict[str, list[Callable[..., Any]]] = {"response": [checked_answer]}


def require_valid(schema: Mapping[str, Any], value: Any, where: str = "value") -> None:
    """Raise ContractError unless `value` fits the schema: its members too, in its order."""
    for error in _validator(json.dumps(schema)).iter_errors(value):
        raise ContractError(f"{where}: {error.json_path}: {error.message}")
    _require_members(schema, value, where)


def _require_valid(where: str, schema: Mapping[str, Any], body: bytes) -> None:
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except ValueError as error:
        raise ContractError(f"{where} with what is no JSON: {error}: {_start(body)}") from None
    if _BLANK.search(_STRING.sub(b"", body)):
        raise ContractError(f"{where} with JSON that is not compact: {_start(body)}")
    require_valid(schema, value, where)


def _no_constant(token: str) -> None:
    raise ValueError(f"{token} is no JSON")


def _require_error(status: int, body: bytes | None) -> None:
    if body is not None:
        _require_valid(f"an answer of {status}", {"$ref": "#/components/schemas/ErrorBody"}, body)


def _require_members(schema: Mapping[str, Any], value: Any, where: str) -> None:
    """Raise unless objects have the members of their schema, no others, in this order."""
    if "$ref" in schema:
        _require_members(resolved(schema["$ref"]), value, where)
    elif isinstance(value, list):
        for each in value:
            _require_members(schema.get("items", {}), each, where)
    elif isinstance(value, dict) and "properties" in schema:
        keys = [name for name in schema["properties"] if name in value]
        if list(value) != keys:
            raise ContractError(f"{where} with the members {list(value)}, documented as {keys}")
        for name in keys:
            _require_members(schema["properties"][name], value[name], f"{where}, {name}")
    elif isinstance(value, dict):
        for each in value.values():
            _require_members(schema.get("additionalProperties") or {}, each, where)


def _require_allowed(where: str, operation: Mapping[str, Any], sent: bytes | None) -> None:
    """Raise unless the document allows the JSON that was sent, members spelt in any case."""
    content = operation.get("requestBody", {}).get("content", {})
    if sent is None or not sent.strip() or _JSON not in content:
        return
    schema = content[_JSON]["schema"]
    value = json.loads(sent.removeprefix(b"\xef\xbb\xbf"))
    require = _validator(json.dumps(schema))
    for error in require.iter_errors(_respelt(schema, value)):
        raise ContractError(f"{where} succeeded, but {error.json_path}: {error.message}")


def _respelt(schema: Mapping[str, Any], value: Any) -> Any:
    """The value with the names of members as the schema spells them."""
    if "$ref" in schema:
        return _respelt(resolved(schema["$ref"]), value)
    if isinstance(value, list):
        return [_respelt(schema.get("items", {}), each) for each in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    declared = {name.lower(): name for name in schema["properties"]}
    return {
        name: _respelt(schema["properties"].get(name, {}), each)
        for name, each in ((declared.get(said.lower(), said), value[said]) for said in value)
    }


@functools.cache
def _validator(schema: str) -> Draft4Validator:
    whole = {**json.loads(schema), "components": document()["components"]}
    return Draft4Validator(_without_nullable(whole), format_checker=FormatChecker(["uuid"]))


def _without_nullable(schema: Any) -> Any:
    """The schema in JSON Schema's own words, which know no `nullable`."""
    if isinstance(schema, list):
        return [_without_nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _without_nullable(each) for name, each in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def _start(body: bytes | None) -> str:
    return (body or b"")[:300].decode(errors="replace")
