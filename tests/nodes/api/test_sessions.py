"""/sessions (wire-api section 4) against a real compute node."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from mlops.blobs import storage
from nodes.models import NodeEntry, Session, Snapshot
from nodes.registry import registry
from tests.contract.asking import OF_SESSIONS, ask
from tests.contract.operations import Operation
from tests.nodes.loopback import serving_in_thread
from tests.nodes.runtime.running import RunningNode
from tests.nodes.test_sessions import willing
from tests.ports import free_port

SignIn = Callable[[User], APIClient]


@pytest.fixture
def alices(alice: User, client_for: SignIn) -> APIClient:
    return client_for(alice)


@pytest.fixture
def bobs(bob: User, client_for: SignIn) -> APIClient:
    return client_for(bob)


@pytest.fixture
def willing_node(db: None) -> Iterator[None]:
    """A node that says yes to everything and runs nothing."""
    with serving_in_thread(willing) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        yield


def create_session(client: APIClient, **body: object) -> str:
    response = client.post("/sessions", {"runtimeType": "Python", **body}, format="json")
    assert response.status_code == 201, response.content
    session_id: str = response.json()["sessionId"]
    return session_id


def route(row: Operation, session: str, **names: str) -> str:
    """Where the row has something of the session."""
    names = {"fileName": "x", "objectName": "x", "snapshotId": str(uuid.uuid4()), **names}
    return session + row.path.removeprefix("/sessions/{id}").format_map(names)


# POST /sessions


def test_a_session_is_created_with_a_dashed_lower_case_guid(
    alices: APIClient, declared_node: RunningNode
) -> None:
    response = alices.post("/sessions", {"runtimeType": "Python"}, format="json")
    assert response.status_code == 201
    assert list(response.json()) == ["sessionId"]
    session_id = response.json()["sessionId"]
    assert session_id == str(uuid.UUID(session_id))
    assert alices.get(f"/sessions/{session_id}/workspace").json() == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name":null,"snapshotId":null}'])
def test_without_a_runtime_the_session_speaks_r(
    alices: APIClient, willing_node: None, body: bytes
) -> None:
    response = alices.post("/sessions", body, content_type="application/json")
    assert response.status_code == 201
    assert Session.objects.get().runtime == "R"


def test_property_names_match_in_any_case(alices: APIClient, willing_node: None) -> None:
    body = {"RuntimeType": "Python", "NAME": "mine", "unknown": 1}
    assert alices.post("/sessions", body, format="json").status_code == 201
    assert Session.objects.get().name == "mine"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"Python"',
        b'{"runtimeType":"Julia"}',
        b'{"runtimeType":1}',
        b'{"name":1}',
        b'{"name":"%s"}' % (b"x" * 256),
        b'{"snapshotId":{}}',
    ],
)
def test_a_body_that_cannot_be_right_creates_nothing(
    alices: APIClient, willing_node: None, body: bytes
) -> None:
    response = alices.post("/sessions", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] == 400
    assert not Session.objects.exists()


@pytest.mark.parametrize("snapshot_id", ["6f0c9a51-7b43-4f0e-8d6c-52f7a4f1b0aa", "no-guid"])
def test_an_unknown_snapshot_creates_nothing(
    alices: APIClient, willing_node: None, snapshot_id: str
) -> None:
    body = {"runtimeType": "Python", "snapshotId": snapshot_id}
    assert alices.post("/sessions", body, format="json").status_code == 404
    assert not Session.objects.exists()


def test_without_a_node_creating_is_busy_and_leaves_nothing(alices: APIClient) -> None:
    response = alices.post("/sessions", {"runtimeType": "Python"}, format="json")
    assert response.status_code == 503
    assert response.json()["message"].startswith("No compute node is ready")
    assert response["Retry-After"] == "1"
    assert not Session.objects.exists()


def test_with_a_node_that_is_down_creating_is_busy_and_leaves_nothing(alices: APIClient) -> None:
    NodeEntry.objects.create(uri=f"http://127.0.0.1:{free_port()}/")
    response = alices.post("/sessions", {"runtimeType": "Python"}, format="json")
    assert response.status_code == 503
    assert not Session.objects.exists()


# GET /sessions


def test_only_own_sessions_are_listed_oldest_first(
    alices: APIClient, bobs: APIClient, willing_node: None
) -> None:
    first = create_session(alices, name="one")
    create_session(bobs)
    second = create_session(alices)
    assert alices.get("/sessions").json() == [
        {"id": first, "name": "one", "owner": "alice", "runtimeType": "Python"},
        {"id": second, "name": "", "owner": "alice", "runtimeType": "Python"},
    ]


# DELETE /sessions/{id}, DELETE /sessions/{id}/force


@pytest.mark.parametrize("suffix", ["", "/force"])
def test_closing_frees_the_shell_and_answers_a_json_string(
    alices: APIClient, declared_node: RunningNode, suffix: str
) -> None:
    session_id = create_session(alices)
    response = alices.delete(f"/sessions/{session_id}{suffix}")
    assert response.status_code == 200
    assert isinstance(response.json(), str)
    assert alices.get("/sessions").json() == []
    assert declared_node.http.get(f"/v1/sessions/{session_id}/workspace").status_code == 404
    assert alices.delete(f"/sessions/{session_id}{suffix}").status_code == 404


# Whose sessions they are; see also tests/contract/test_isolation.py.


def test_what_is_no_guid_is_not_found(alices: APIClient) -> None:
    for row in OF_SESSIONS:
        response = ask(alices, row, route(row, "/sessions/no-guid"))
        assert response.status_code == 404
        assert response.json()["exceptionType"] == "NotFound"


def test_readers_have_sessions_too(rita: User, client_for: SignIn, willing_node: None) -> None:
    create_session(client_for(rita))


def test_a_user_without_a_role_has_none(
    declared_groups: None, client_for: SignIn, willing_node: None
) -> None:
    nobody = User.objects.create_user("nobody")
    assert client_for(nobody).post("/sessions", {}, format="json").status_code == 403
    assert not Session.objects.exists()


# Lost sessions.


HOW = ["the node was restarted", "the node was removed", "the node is down"]


@pytest.fixture(params=HOW)
def lost(request: pytest.FixtureRequest, alice: User, declared_node: RunningNode) -> str:
    """The address of a session that its node does not have any more."""
    node = f"{declared_node.address}/"
    if request.param == "the node was removed":
        NodeEntry.objects.all().delete()
        registry.forget()
    elif request.param == "the node is down":
        node = f"http://127.0.0.1:{free_port()}/"
        NodeEntry.objects.create(uri=node)
    session = Session.objects.create(owner=alice, runtime="Python", node=node)
    return f"/sessions/{session.pk}"


def test_a_lost_session_is_gone_on_every_route(alice: User, alices: APIClient, lost: str) -> None:
    blob = storage.save([b"a zip"])
    snapshot = Snapshot.objects.create(owner=alice, runtime="Python", blob=blob)
    closing = ("closeSession", "closeSessionForce")
    for row in OF_SESSIONS:
        if row.operation_id not in closing:
            response = ask(alices, row, route(row, lost, snapshotId=str(snapshot.pk)))
            assert response.status_code == 410, str(row)
            assert "lost" in response.json()["message"]


@pytest.mark.parametrize("suffix", ["", "/force"])
def test_a_lost_session_stays_listed_until_it_is_closed(
    alices: APIClient, lost: str, suffix: str
) -> None:
    assert len(alices.get("/sessions").json()) == 1
    assert alices.delete(f"{lost}{suffix}").status_code == 410
    assert alices.get("/sessions").json() == []
    assert alices.delete(lost).status_code == 404


def test_a_node_that_does_not_answer_has_not_lost_the_session(
    alice: User, alices: APIClient
) -> None:
    node = "http://no-such-node.invalid:12805/"
    NodeEntry.objects.create(uri=node)
    session = Session.objects.create(owner=alice, runtime="Python", node=node)
    assert alices.get(f"/sessions/{session.pk}/workspace").status_code == 503
    assert Session.objects.exists()


# In a browser.


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sessions", 200),
        ("/snapshots", 200),
        ("/sessions/no-guid/workspace", 404),
        ("/sessions/no-guid/workspace/x", 404),
        ("/sessions/no-guid/snapshot", 405),
        ("/snapshots/no-guid", 404),
    ],
)
def test_a_browser_gets_pages(alices: APIClient, path: str, status: int) -> None:
    response = alices.get(path, HTTP_ACCEPT="text/html")
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
