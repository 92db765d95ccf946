"""Requests that `schemathesis` makes up from our OpenAPI document, right and wrong ones.

Against a real web node and compute node: no 500, no undocumented status, no answer that is not as
documented. Always the same few requests; for a longer run, with others each time:

    MLOPS_TEST_GENERATED_REQUESTS=200 python -m pytest tests/contract/test_generated_requests.py
"""

import os
from collections.abc import Iterator, Mapping
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

from tests.contract.document import document, nameless
from tests.contract.operations import DOCUMENTED, Operation
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


@pytest.fixture(scope="module")
def owner(web: WebNode) -> Iterator[requests.Session]:
    with requests.Session() as session:
        credentials = {"username": "admin", "password": PASSWORD}
        token = session.post(f"{web.url}/login", json=credentials).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


class Things:
    """Things that are there; whatever a test has done away with is made anew for the next."""

    def __init__(self, node: str, session: requests.Session, url: str) -> None:
        self._node = node
        self._session = session
        self._url = url
        self._session_id = ""
        self._snapshot_id = ""

    def named_in(self, path: str) -> dict[str, str]:
        """The names and ids of those that a path of the table has names for."""
        self._ask("POST", "/computenodes", json={"entries": [self._node]}).raise_for_status()
        known = {"index": "0", "file_name": "note.txt", "object_name": "thing"}
        if path.startswith("/realtime-services"):
            known |= REALTIME
            model = {"model": contained(adding())}
            self._ask("POST", _below("/realtime-services", REALTIME), files=model)
        elif "{name}" in path:
            known |= SERVICE
            self._ask("DELETE", _below("/services", SERVICE))
            service = self._ask("POST", _below("/services", SERVICE), json=DEFINITION)
            service.raise_for_status()
        if "{executionId}" in path:
            batch = self._ask("POST", f"{_below('/api', SERVICE)}/batch", json=[{"x": 1}]).json()
            known["execution_id"] = batch["batchExecutionId"]
        if "/sessions/" in path:
            self._renew_session()
            known["session_id"] = self._session_id
            if "{fileName}" in path:
                note = {"file": (known["file_name"], b"noted")}
                self._ask("POST", f"/sessions/{self._session_id}/files", files=note)
        if "snapshot" in path.lower() and "{" in path:
            self._renew_snapshot()
            known["snapshot_id"] = self._snapshot_id
        return known

    def _renew_session(self) -> None:
        """Have the session with its object, and no other."""
        for each in self._ask("GET", "/sessions").json():
            if each["id"] != self._session_id:
                self._ask("DELETE", f"/sessions/{each['id']}/force")
        if not self._put_object().ok:
            created = self._ask("POST", "/sessions", json={"runtimeType": "Python"}).json()
            self._session_id = created["sessionId"]
            self._put_object().raise_for_status()

    def _put_object(self) -> requests.Response:
        return self._ask("POST", f"/sessions/{self._session_id}/workspace/thing", data=PICKLE)

    def _renew_snapshot(self) -> None:
        if not self._ask("GET", f"/snapshots/{self._snapshot_id}").ok:
            self._renew_session()
            created = self._ask("POST", f"/sessions/{self._session_id}/snapshot").json()
            self._snapshot_id = created["snapshotId"]

    def _ask(self, method: str, path: str, **sent: Any) -> requests.Response:
        return self._session.request(method, self._url + path, **sent)


def _below(path: str, version: Mapping[str, str]) -> str:
    return f"{path}/{version['name']}/{version['version']}"


@pytest.fixture(scope="module")
def things(compute_node: RunningNode, web: WebNode, owner: requests.Session) -> Things:
    return Things(compute_node.address, owner, web.url)


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


@pytest.mark.parametrize("row", DOCUMENTED, ids=str)
def test_only_what_is_documented_is_answered(
    api: Any, web: WebNode, owner: requests.Session, things: Things, row: Operation
) -> None:
    ask_around(operation_of(api, row), web.url, owner, things.named_in(row.path))
