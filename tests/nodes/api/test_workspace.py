"""/sessions/{id}/workspace (wire-api section 4) against a real compute node."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import dill
import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes.models import Session
from nodes.session_ids import new_id
from tests.nodes.runtime.running import RunningNode

BINARY = "application/octet-stream"


@pytest.fixture
def client(alice: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(alice)


@pytest.fixture(scope="module")
def shell(compute_node: RunningNode) -> Iterator[str]:
    """The id of a Python session on the node, which the tests share."""
    session_id = str(new_id())
    body = {"id": session_id, "runtime": "Python"}
    assert compute_node.http.post("/v1/sessions", json=body).status_code == 201
    yield session_id
    compute_node.http.delete(f"/v1/sessions/{session_id}?force=1")


@pytest.fixture
def workspace(alice: User, declared_node: RunningNode, shell: str) -> Iterator[str]:
    """The address of the workspace of alice's Python session, empty."""
    node = f"{declared_node.address}/"
    session = Session.objects.create(pk=shell, owner=alice, runtime="Python", node=node)
    yield f"/sessions/{shell}/workspace"
    session.delete()  # first, so that it is not closed
    for name in declared_node.http.get(f"/v1/sessions/{shell}/workspace").json()["objects"]:
        path = f"/v1/sessions/{shell}/workspace/{quote(name, safe='')}"
        assert declared_node.http.delete(path).status_code == 200


def content_of(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_an_object_comes_back_as_it_was_sent(client: APIClient, workspace: str) -> None:
    model = {"weights": [1.5, 2.5], "name": "café"}
    response = client.post(f"{workspace}/model", dill.dumps(model), content_type=BINARY)
    assert (response.status_code, response.content) == (200, b"")
    assert client.get(workspace).json() == ["model"]

    response = client.get(f"{workspace}/model", HTTP_ACCEPT="application/json")
    assert response.status_code == 200
    assert response["Content-Type"] == BINARY
    content = content_of(response)
    assert int(response["Content-Length"]) == len(content)
    assert dill.loads(content) == model  # noqa: S301 - our own bytes


def test_an_object_is_replaced(client: APIClient, workspace: str) -> None:
    for value in (1, 2):
        client.post(f"{workspace}/x", dill.dumps(value), content_type=BINARY)
    assert dill.loads(content_of(client.get(f"{workspace}/x"))) == 2  # noqa: S301


def test_a_deleted_object_is_gone(client: APIClient, workspace: str) -> None:
    client.post(f"{workspace}/x", dill.dumps(1), content_type=BINARY)
    response = client.delete(f"{workspace}/x", content_type="application/json")
    assert (response.status_code, response.content) == (200, b"")
    assert client.get(workspace).json() == []
    assert client.delete(f"{workspace}/x").status_code == 404


def test_an_unknown_object_is_not_found(client: APIClient, workspace: str) -> None:
    response = client.get(f"{workspace}/nothing")
    assert response.status_code == 404
    assert response.json()["exceptionType"] == "NotFound"


def test_the_content_type_of_an_upload_does_not_matter(client: APIClient, workspace: str) -> None:
    for content_type in ("application/json", "text/plain", "x/y", ""):
        body = dill.dumps(f"{{not json, {content_type}")
        address = f"{workspace}/x"
        response = client.generic("POST", address, body, content_type=content_type)
        assert response.status_code == 200
        assert content_of(client.get(address)) == body


def test_bytes_the_interpreter_cannot_read_are_refused_with_its_words(
    client: APIClient, workspace: str
) -> None:
    response = client.post(f"{workspace}/x", b"not a pickle", content_type=BINARY)
    assert response.status_code == 400
    assert response.json()["message"]
    assert client.get(workspace).json() == []


def test_an_empty_upload_is_refused(client: APIClient, workspace: str) -> None:
    assert client.post(f"{workspace}/x", b"", content_type=BINARY).status_code == 400


def test_an_object_of_many_megabytes_passes_through(client: APIClient, workspace: str) -> None:
    body = dill.dumps(bytes(range(256)) * 4 * 20 * 1024)
    assert client.post(f"{workspace}/big", body, content_type=BINARY).status_code == 200
    assert content_of(client.get(f"{workspace}/big")) == body


def test_unusual_names_are_taken_as_they_are(client: APIClient, workspace: str) -> None:
    for name in ("my model", "café", "a.b", "x..y", "per%cent", "q?uery", "模型"):
        address = f"{workspace}/{quote(name)}"
        assert client.post(address, dill.dumps(1), content_type=BINARY).status_code == 200
        assert client.get(workspace).json() == [name]
        assert client.get(address).status_code == 200
        assert client.delete(address).status_code == 200


@pytest.mark.parametrize(
    "name", ["..", ".", "../x", "a/b", "a\\b", "a\0b", "a\nb", "a\x7fb", "a\u2028b", "x" * 10_000]
)
def test_hostile_names_are_refused_and_reach_no_node(
    alice: User, client: APIClient, name: str
) -> None:
    session = Session.objects.create(owner=alice, runtime="Python", node="http://node/")
    address = f"/sessions/{session.pk}/workspace/{quote(name, safe='')}"
    for response in (
        client.post(address, dill.dumps(1), content_type=BINARY),
        client.get(address),
        client.delete(address),
    ):
        assert response.status_code == 400
        assert response.json()["fields"] == "name"


def test_two_sessions_have_their_own_objects(
    client: APIClient, workspace: str, declared_node: RunningNode
) -> None:
    other = client.post("/sessions", {"runtimeType": "Python"}, format="json").json()["sessionId"]
    client.post(f"{workspace}/x", dill.dumps(1), content_type=BINARY)
    assert client.get(f"/sessions/{other}/workspace").json() == []


def test_use_is_noted_to_the_minute(client: APIClient, workspace: str) -> None:
    session = Session.objects.get()
    Session.objects.update(last_used_at=session.created_at.replace(year=2000))
    client.get(workspace)
    assert Session.objects.get().last_used_at >= session.created_at
    noted = Session.objects.get().last_used_at
    client.get(workspace)
    assert Session.objects.get().last_used_at == noted


@pytest.mark.r
def test_an_r_object_comes_back_as_rdata(
    client: APIClient, declared_node: RunningNode, tmp_path: Path
) -> None:
    subprocess.run(
        ["Rscript", "-e", "x <- c(1.5, 2.5); save(x, file = 'x.RData')"], cwd=tmp_path, check=True
    )
    session_id = client.post("/sessions", {}, format="json").json()["sessionId"]
    address = f"/sessions/{session_id}/workspace"
    body = (tmp_path / "x.RData").read_bytes()
    assert client.post(f"{address}/x", body, content_type=BINARY).status_code == 200
    assert client.get(address).json() == ["x"]
    (tmp_path / "back.RData").write_bytes(content_of(client.get(f"{address}/x")))
    printed = subprocess.run(
        ["Rscript", "-e", "load('back.RData'); cat(x)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert printed.stdout == b"1.5 2.5"
