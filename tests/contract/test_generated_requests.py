"""Requests that `schemathesis` makes up from our OpenAPI document, right and wrong ones.

Against a real web node and compute node: no 500, no undocumented status, no answer that is not as
documented. Always the same few requests; for a longer run, with others each time:

    MLOPS_TEST_GENERATED_REQUESTS=200 python -m pytest tests/contract/test_generated_requests.py
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.document import document, nameless, operations
from tests.contract.operations import ANYBODY, OPERATIONS, Operation
from tests.nodes.runtime.realtime.models import adding, contained
from tests.nodes.runtime.running import RunningNode
from tests.nodes.web import PASSWORD, WebNode, start_web_node

N_REQUESTS = int(os.environ.get("MLOPS_TEST_GENERATED_REQUESTS", "0"))
SERVICE = {"name": "churn", "version": "v 1"}
REALTIME = {"name": "sums", "version": "v 1"}
DEFINITION = {
    "runtimeType": "Python",
    "code": "answer = x",
    "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
    "outputParameterDefinitions": [{"name": "answer", "type": "numeric"}],
    "outputFileNames": ["note.txt"],
}
PICKLE = b"\x80\x04K\x01."
ROWS = [row for row in OPERATIONS if (row.method, nameless(row.path)) in operations()]


@pytest.fixture(scope="module")
def api() -> Any:
    return schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode) -> Iterator[WebNode]:
    """A web node that is this module's own: what is asked of it may change anything."""
    node = start_web_node(
        tmp_path_factory.mktemp("web-node"),
        MLOPS_CLUSTER_KEY=compute_node.cluster_key,
        MLOPS_DEDICATED_POOL_MAX_SIZE="1",
    )
    node.declare(compute_node.address)
    yield node
    node.stop()


@pytest.fixture
def owner(web: WebNode) -> Iterator[requests.Session]:
    with requests.Session() as session:
        credentials = {"username": "admin", "password": PASSWORD}
        token = session.post(f"{web.url}/login", json=credentials).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


@dataclass
class Known:
    """Things that are there; whatever a test has done away with is made anew for the next."""

    session_id: str = ""
    snapshot_id: str = ""

    def renewed(self, session: requests.Session, url: str) -> dict[str, str]:
        """Their names and ids, by the names that paths have for them."""

        def ask(method: str, path: str, **sent: Any) -> requests.Response:
            return session.request(method, url + path, **sent)

        service = "/services/{name}/{version}".format_map(SERVICE)
        ask("DELETE", service)
        assert ask("POST", service, json=DEFINITION).status_code == 201
        model = {"model": contained(adding())}
        ask("POST", "/realtime-services/{name}/{version}".format_map(REALTIME), files=model)
        for each in ask("GET", "/sessions").json():
            if each["id"] != self.session_id:
                ask("DELETE", f"/sessions/{each['id']}/force")
        if (
            ask("POST", f"/sessions/{self.session_id}/workspace/thing", data=PICKLE).status_code
            > 200
        ):
            created = ask("POST", "/sessions", json={"runtimeType": "Python"}).json()
            self.session_id = created["sessionId"]
            ask("POST", f"/sessions/{self.session_id}/workspace/thing", data=PICKLE)
        if ask("GET", f"/snapshots/{self.snapshot_id}").status_code > 200:
            created = ask("POST", f"/sessions/{self.session_id}/snapshot").json()
            self.snapshot_id = created["snapshotId"]
        batch = "/api/{name}/{version}/batch".format_map(SERVICE)
        execution_id = ask("POST", batch, json=[{"x": 1}]).json()["batchExecutionId"]
        return {
            **SERVICE,
            "execution_id": execution_id,
            "index": "0",
            "file_name": "note.txt",
            "session_id": self.session_id,
            "snapshot_id": self.snapshot_id,
            "object_name": "thing",
        }


@pytest.fixture(scope="module")
def things() -> Known:
    return Known()


@pytest.fixture
def known(web: WebNode, owner: requests.Session, things: Known) -> dict[str, str]:
    return things.renewed(owner, web.url)


def operation_of(api: Any, row: Operation) -> Any:
    (path,) = (path for path in document()["paths"] if nameless(path) == nameless(row.path))
    return api[path][row.method]


def no_fault_of_ours(context: CheckContext, response: Any, case: Any) -> None:
    """A custom check: whatever is sent, 500 is never the answer, nor 504."""
    assert response.status_code not in (500, 504), response.content


CHECKS = [
    no_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def ask_around(operation: Any, url: str, session: requests.Session, known: dict[str, str]) -> None:
    """Send requests with known and with made up names, that fit the document and that do not."""
    names = {each.name for each in operation.path_parameters}
    there = {name: known[name] for name in names if name in known}
    right, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    kinds = [operation.as_strategy(right, path_parameters=there)]
    if names:
        kinds.append(operation.as_strategy(right))
    if operation.body or operation.query:
        kinds.append(operation.as_strategy(wrong, path_parameters=there))

    @settings(
        max_examples=N_REQUESTS or 3 * len(kinds),
        derandomize=not N_REQUESTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds))
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=url, session=session, checks=CHECKS)

    ask()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_an_owner_gets_what_is_documented(
    api: Any, web: WebNode, owner: requests.Session, known: dict[str, str], row: Operation
) -> None:
    named = REALTIME if row.path.startswith("/realtime-services") else {}
    ask_around(operation_of(api, row), web.url, owner, {**known, **named})


@pytest.mark.parametrize("row", [row for row in ROWS if row.role != ANYBODY], ids=str)
def test_without_a_token_nothing_else_is_answered(api: Any, web: WebNode, row: Operation) -> None:
    with requests.Session() as session:
        ask_around(operation_of(api, row), web.url, session, {})
