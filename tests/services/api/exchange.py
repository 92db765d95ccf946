"""Reading answers of the REST API, each checked against our own OpenAPI document."""

import functools
import json
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft4Validator

ERROR_KEYS = ["message", "link", "exceptionType", "code", "fields"]


@functools.cache
def _document() -> Any:
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))


@functools.cache
def _responses(operation_id: str) -> dict[str, Any]:
    operations = [
        operation
        for path in _document()["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and operation["operationId"] == operation_id
    ]
    return operations[0]["responses"]  # type: ignore[no-any-return]


def body_of(response: Any, status: int, operation_id: str) -> Any:
    """The decoded body; fails unless status and body are those the document promises."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    schema = _responses(operation_id)[str(status)]["content"]["application/json"]["schema"]
    nullable = _without_nullable({**schema, "components": _document()["components"]})
    Draft4Validator(nullable).validate(body)
    return body


def error_of(response: Any, status: int, operation_id: str) -> Any:
    """The error object."""
    body = body_of(response, status, operation_id)
    assert list(body) == ERROR_KEYS
    assert body["code"] == status
    assert body["message"]
    return body


def _without_nullable(schema: Any) -> Any:
    """The schema in JSON Schema's own words, which know no `nullable`."""
    if isinstance(schema, list):
        return [_without_nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _without_nullable(each) for name, each in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
