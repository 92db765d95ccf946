"""A generated client against a real one-box, made from the swagger.json of each kind of service."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients import swagger_driven
from tests.nodes.runtime.realtime.models import adding, contained
from tests.nodes.runtime.running import wait_until

pytestmark = [pytest.mark.filterwarnings(swagger_driven.IGNORED_WARNINGS), pytest.mark.any_database]

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


def test_an_api_key_for_the_service_alone_stands_for_a_token(
    service: str, http: httpx.Client
) -> None:
    name = service.split("/")[-2]
    made = http.post("/apikeys", json={"name": "generated", "services": [name]}).json()
    client = swagger_driven.load(service, made["key"])
    result = client.double(WebServiceParameters=INPUT).response().result
    assert result["outputParameters"] == OUTPUT
    assert client.GetBatchExecutions().response().result == []
    http.delete(f"/apikeys/{made['id']}").raise_for_status()
    with pytest.raises(swagger_driven.HTTPError) as refused:
        client.double(WebServiceParameters=INPUT).response()
    assert refused.value.status_code == 401


def test_a_wrong_input_is_refused_as_documented(service: str, token: str) -> None:
    client = swagger_driven.load(service, token)
    with pytest.raises(swagger_driven.HTTPBadRequest) as refused:
        client.double(WebServiceParameters={"x": 1}).response()
    assert refused.value.swagger_result["code"] == 400
    assert "label" in refused.value.swagger_result["fields"]


def test_a_batch_runs_all_items_and_keeps_their_files(service: str, token: str) -> None:
    client = swagger_driven.load(service, token)
    items = [{**INPUT, "x": float(number), "label": f"item {number}"} for number in range(3)]
    started = client.StartBatchExecution(BatchWebServiceParameters=items, parallelCount=2)
    batch_id = started.response().result["batchExecutionId"]
    assert batch_id in client.GetBatchExecutions().response().result
    batch = completed(service, token, batch_id)
    assert (batch["completedItemCount"], batch["totalItemCount"]) == (3, 3)
    outputs = [result["outputParameters"] for result in batch["batchExecutionResults"]]
    assert [each["doubled"] for each in outputs] == [0.0, 2.0, 4.0]
    assert [each["table"] for each in outputs] == [OUTPUT["table"]] * 3
    item = {"executionId": batch_id, "index": 1}
    assert client.GetBatchExecutionFiles(**item).response().result == ["note.txt"]
    content = client.GetBatchExecutionFile(**item, fileName="note.txt").response().result
    assert content == b"item 1"
    deleted = client.CancelAndDeleteBatchExecution(executionId=batch_id).response().result
    assert deleted == [batch_id]
    with pytest.raises(swagger_driven.HTTPError) as refused:
        client.GetBatchExecutionFiles(**item).response()
    assert refused.value.status_code == 404


def test_a_realtime_service_is_called_alone_and_in_a_batch(http: httpx.Client, token: str) -> None:
    name = f"generated-realtime-{uuid.uuid4().hex[:8]}"
    parts = {"model": ("model", contained(adding(5.0)), "application/octet-stream")}
    assert http.post(f"/realtime-services/{name}/v1", files=parts).status_code == 201
    address = f"{http.base_url}/api/{name}/v1".replace("//api", "/api")
    client = swagger_driven.load(address, token)
    table = {"inputData": {"x": [1.5, -2.0]}}
    result = client.ConsumeWebService(WebServiceParameters=table).response().result
    assert result["outputParameters"] == {"outputData": {"y": [6.5, 3.0]}}
    items = [{"inputData": {"x": [number]}} for number in (0.0, 1.0)]
    started = client.StartBatchExecution(BatchWebServiceParameters=items).response().result
    batch = completed(address, token, started["batchExecutionId"])
    outputs = [result["outputParameters"] for result in batch["batchExecutionResults"]]
    assert outputs == [{"outputData": {"y": [number]}} for number in (5.0, 6.0)]
    assert http.delete(f"/services/{name}/v1").status_code == 200


def completed(service: str, token: str, batch_id: str) -> Any:
    """The batch when all is done.

    Its answers are not held against the document: that spells the states as clients generated for
    the original have them, and the server as the official Python client reads them.
    """
    client = swagger_driven.load(service, token, validate_responses=False)

    def asked() -> Any:
        return client.GetBatchExecutionStatus(executionId=batch_id).response().result

    wait_until(lambda: asked()["state"] == "Complete", seconds=120)
    return asked()
