"""A generated client against a real one-box, made from the swagger.json of each kind of service."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients import swagger_driven

pytestmark = pytest.mark.filterwarnings(swagger_driven.IGNORED_WARNINGS)

_DEFINITION: dict[str, Any] = {
    "description": "Doubles a number and a table",
    "operationId": "double",
    "inputParameterDefinitions": [
        {"name": "x", "type": "numeric"},
        {"name": "label", "type": "character"},
        {"name": "flag", "type": "logical"},
        {"name": "table", "type": "data.frame"},
    ],
    "outputParameterDefinitions": [
        {"name": "doubled", "type": "numeric"},
        {"name": "greeting", "type": "character"},
        {"name": "opposite", "type": "logical"},
        {"name": "n", "type": "integer"},
        {"name": "table", "type": "data.frame"},
    ],
    "outputFileNames": ["note.txt"],
}
_CODE = {
    "Python": """
doubled = 2 * x
greeting = "hello " + label
opposite = not flag
n = len(table)
table = table * 2
with open("note.txt", "w") as note:
    note.write(label)
""",
    "R": """
doubled <- 2 * x
greeting <- paste("hello", label)
opposite <- !flag
n <- nrow(table)
table <- table * 2
cat(label, file = "note.txt")
""",
}
INPUT = {"x": 1.25, "label": "ü", "flag": True, "table": {"a": [1, 2, None], "b": [0.5, 1e300, -1]}}
OUTPUT = {
    "doubled": 2.5,
    "greeting": "hello ü",
    "opposite": False,
    "n": 3,
    "table": {"a": [2, 4, None], "b": [1.0, 2e300, -2]},
}


@pytest.fixture(scope="module")
def http(one_box: Any) -> Iterator[httpx.Client]:
    with one_box.client() as client:
        yield client


@pytest.fixture(scope="module", params=["Python", pytest.param("R", marks=pytest.mark.r)])
def service(request: pytest.FixtureRequest, http: httpx.Client) -> Iterator[str]:
    """The address of a service."""
    name = f"generated-{request.param}-{uuid.uuid4().hex[:8]}"
    body = {**_DEFINITION, "runtimeType": request.param, "code": _CODE[request.param]}
    assert http.post(f"/services/{name}/v 1.0", json=body).status_code == 201
    yield f"{http.base_url}/api/{name}/v%201.0".replace("//api", "/api")
    http.delete(f"/services/{name}/v 1.0")


@pytest.fixture
def token(http: httpx.Client) -> str:
    return http.headers["Authorization"].removeprefix("Bearer ")


def test_a_call_gets_its_outputs_and_files(service: str, token: str) -> None:
    client = swagger_driven.load(service, token)
    result = client.double(WebServiceParameters=INPUT).response().result
    assert result["success"], result["errorMessage"]
    assert result["outputParameters"] == OUTPUT
    assert base64.b64decode(result["outputFiles"]["note.txt"]).decode() == "ü"


def test_a_wrong_input_is_refused_as_documented(service: str, token: str) -> None:
    client = swagger_driven.load(service, token)
    with pytest.raises(swagger_driven.HTTPBadRequest) as refused:
        client.double(WebServiceParameters={"x": 1}).response()
    assert refused.value.swagger_result["code"] == 400
    assert "label" in refused.value.swagger_result["fields"]
