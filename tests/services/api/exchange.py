"""Reading answers of the REST API, each checked against our own OpenAPI document."""

import json
from typing import Any

from tests.contract.document import operations
from tests.contract.exchanges import require_valid
from tests.contract.operations import ERROR

ERROR_KEYS = list(ERROR)


def body_of(response: Any, status: int, operation_id: str) -> Any:
    """The decoded body; fails unless status and body are those the document promises."""
    content = response.getvalue()  # of a stream as well
    assert response.status_code == status, content[:500]
    assert response["Content-Type"] == "application/json"
    body = json.loads(content)
    (operation,) = (each for each in operations().values() if each["operationId"] == operation_id)
    require_valid(
        operation["responses"][str(status)]["content"]["application/json"]["schema"], body
    )
    return body


def error_of(response: Any, status: int, operation_id: str) -> Any:
    """The error object."""
    body = body_of(response, status, operation_id)
    assert list(body) == ERROR_KEYS
    assert body["code"] == status
    assert body["message"]
    return body
