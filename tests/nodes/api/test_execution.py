"""/sessions/{id}/execute and its neighbours (wire-api section 4): what reaches the node, and back.

The node here only records; tests/nodes/api/test_remote_sessions.py runs code.
"""

import json
import math
import threading
from collections.abc import Callable, Iterator

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes import execution, holding
from nodes.models import Session
from tests.contract import exchanges
from tests.nodes.recorder import Recorder, recording

RESULT = {
    "success": True,
    "errorMessage": "",
    "outputParameters": [{"name": "x", "value": None}],
    "consoleOutput": "[1] 1\n",
    "changedFiles": ["a/b.txt"],
}


@pytest.fixture
def client(alice: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(alice)


@pytest.fixture
def node(alice: User) -> Iterator[Recorder]:
    with recording(alice, json.dumps(RESULT, separators=(",", ":")).encode()) as node:
        yield node


@pytest.fixture
def undocumented(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent here is tolerated, not documented."""
    monkeypatch.setattr(exchanges, "_require_allowed", lambda *_: None)


# POST /sessions/{id}/execute


def test_the_answer_of_the_node_is_passed_on_as_it_is(client: APIClient, node: Recorder) -> None:
    node.answer = (
        b'{"success":true,"errorMessage":"","outputParameters":[{"name":"x","value":1.10}],'
        b'"consoleOutput":"","changedFiles":[]}'
    )
    response = client.post(f"{node.path}/execute", {"code": "x <- 1\n"}, format="json")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response.content == node.answer
    [(request, body)] = node.requests
    assert request == f"POST /v1{node.path}/execute"
    assert json.loads(body) == {"code": "x <- 1\n", "inputs": [], "outputs": []}


X = [{"name": "x", "value": [1, None, "é"]}, {"name": "y", "value": {"a": [1.5]}}]


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ({"inputParameters": X, "outputParameters": ["x", "y"]}, X, ["x", "y"]),
        ({"InputParameters": X, "OUTPUTPARAMETERS": ["x"], "unknown": 1}, X, ["x"]),
        ({"input_parameters": X, "output_parameters": ["x"]}, X, ["x"]),
        ({"input_parameters": None, "output_parameters": None}, [], []),
        ({"inputParameters": [], "outputParameters": []}, [], []),
        ({"inputParameters": json.dumps(X), "outputParameters": "x"}, X, ["x"]),
        ({"inputParameters": "", "outputParameters": '["x","y"]'}, [], ["x", "y"]),
        ({"inputParameters": {}, "outputParameters": {}}, [], []),
        ({"inputParameters": [{"Name": "x", "Value": 1}]}, [{"name": "x", "value": 1}], []),
        ({"inputParameters": [{"name": "x"}]}, [{"name": "x", "value": None}], []),
        ({"outputParameters": ["x", "y", "x"]}, [], ["x", "y"]),
    ],
)
def test_inputs_and_outputs_are_understood_in_each_spelling_that_clients_have(
    client: APIClient,
    node: Recorder,
    undocumented: None,
    body: dict[str, object],
    inputs: object,
    outputs: object,
) -> None:
    response = client.post(f"{node.path}/execute", {"CODE": "", **body}, format="json")
    assert response.status_code == 200, response.content
    assert node.body() == {"code": "", "inputs": inputs, "outputs": outputs}


@pytest.mark.parametrize(
    "parameters",
    [b'[{"name":"x","value":[NaN,-Infinity]}]', rb'"[{\"name\":\"x\",\"value\":NaN}]"'],
)
def test_the_tokens_of_old_clients_for_odd_numbers_are_understood(
    client: APIClient, node: Recorder, undocumented: None, parameters: bytes
) -> None:
    body = b'\xef\xbb\xbf{"code":"1","inputParameters":%s}' % parameters
    response = client.post(f"{node.path}/execute", body, content_type="text/plain")
    assert response.status_code == 200, response.content
    [value] = [one["value"] for one in node.body()["inputs"]]  # type: ignore[index]
    assert math.isnan(value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", "code"),
        (b"{", ""),
        (b"[]", ""),
        (b"{}", "code"),
        (b'{"code":null}', "code"),
        (b'{"code":1}', "code"),
        (b'{"code":"1","inputParameters":1}', "inputParameters"),
        (b'{"code":"1","inputParameters":false}', "inputParameters"),
        (b'{"code":"1","inputParameters":{"x":1}}', "inputParameters"),
        (b'{"code":"1","inputParameters":"[{"}', "inputParameters"),
        (b'{"code":"1","inputParameters":[1]}', "inputParameters"),
        (b'{"code":"1","inputParameters":[{"value":1}]}', "inputParameters.0.name"),
        (b'{"code":"1","inputParameters":[{"name":""}]}', "inputParameters.0.name"),
        (b'{"code":"1","inputParameters":[{"name":1}]}', "inputParameters.0.name"),
        (b'{"code":"1","inputParameters":[{"name":"x"},{"name":"x"}]}', "inputParameters"),
        (b'{"code":"1","outputParameters":[1]}', "outputParameters"),
        (b'{"code":"1","outputParameters":{"x":1}}', "outputParameters"),
    ],
)
def test_a_body_that_cannot_be_right_names_the_member_and_reaches_no_node(
    client: APIClient, node: Recorder, body: bytes, fields: str
) -> None:
    response = client.post(f"{node.path}/execute", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["fields"].startswith(fields)
    assert node.requests == []


def test_a_session_that_executes_is_in_use_for_as_long_as_it_does(
    client: APIClient, node: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched, enough = 0, threading.Event()

    def touch(session: Session) -> None:
        nonlocal touched
        touched += 1
        if touched == 3:
            enough.set()

    monkeypatch.setattr(execution, "touch", touch)
    monkeypatch.setattr(execution, "_LOOK_EVERY_SECONDS", 0.01)
    node.answers_when = enough
    response = client.post(f"{node.path}/execute", {"code": "1"}, format="json")
    assert response.status_code == 200


def test_a_shell_that_dies_under_the_code_is_the_nodes_failure(
    client: APIClient, node: Recorder
) -> None:
    node.status = "500 Internal Server Error"
    node.answer = b'{"code":"session-failed","message":"It was killed."}'
    response = client.post(f"{node.path}/execute", {"code": "1"}, format="json")
    assert response.status_code == 500
    assert "It was killed." in response.json()["message"]


def test_too_many_calls_of_one_session_do_not_wait_but_others_do(
    client: APIClient, node: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_MOST_WAITING", 0)
    response = client.post(f"{node.path}/execute", {"code": "1"}, format="json")
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert node.requests == []
    node.answer = b'{"history":[]}'
    assert client.get(f"{node.path}/history").json() == []


def test_a_browser_gets_a_page(client: APIClient, node: Recorder) -> None:
    response = client.post(
        f"{node.path}/execute", {"code": "1"}, format="json", HTTP_ACCEPT="text/html"
    )
    assert response.status_code == 200
    assert "changedFiles" in response.content.decode()


# GET /sessions/{id}/console-output, GET /sessions/{id}/history, POST /sessions/{id}/cancel


def test_the_console_is_one_member(client: APIClient, node: Recorder) -> None:
    node.answer = b'{"consoleOutput":"[1] 1\\n"}'
    response = client.get(f"{node.path}/console-output")
    assert response.status_code == 200
    assert response.content == b'{"consoleOutput":"[1] 1\\n"}'
    assert node.requests == [(f"GET /v1{node.path}/console", b"")]


def test_the_history_is_a_list_of_texts(client: APIClient, node: Recorder) -> None:
    node.answer = b'{"history":["x <- 1","x\\ny"]}'
    response = client.get(f"{node.path}/history")
    assert response.status_code == 200
    assert response.json() == ["x <- 1", "x\ny"]


def test_cancelling_answers_a_json_string(client: APIClient, node: Recorder) -> None:
    response = client.post(f"{node.path}/cancel", content_type="application/json")
    assert response.status_code == 200
    assert isinstance(response.json(), str)
    assert node.requests == [(f"POST /v1{node.path}/cancel", b"")]
