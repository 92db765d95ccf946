"""Snapshots (wire-api section 5) against a real compute node."""

import io
import re
import uuid
import zipfile
from collections.abc import Callable

import dill
import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from mlops.blobs import storage
from nodes.models import Session, Snapshot
from tests.nodes.api.test_workspace import BINARY, content_of
from tests.nodes.recorder import recording
from tests.nodes.runtime.running import RunningNode

SignIn = Callable[[User], APIClient]

EMPTY = b"PK\x05\x06" + bytes(18)  # a zip with nothing in it


@pytest.fixture
def alices(alice: User, client_for: SignIn) -> APIClient:
    return client_for(alice)


def open_session(client: APIClient, **body: object) -> str:
    response = client.post("/sessions", {"runtimeType": "Python", **body}, format="json")
    assert response.status_code == 201, response.content
    return f"/sessions/{response.json()['sessionId']}"


def put(client: APIClient, session: str, name: str, value: object) -> None:
    response = client.post(f"{session}/workspace/{name}", dill.dumps(value), content_type=BINARY)
    assert response.status_code == 200, response.content


def value_of(client: APIClient, session: str, name: str) -> object:
    return dill.loads(content_of(client.get(f"{session}/workspace/{name}")))  # noqa: S301


def take_snapshot(client: APIClient, session: str, name: str | None = None) -> str:
    response = client.post(f"{session}/snapshot", {"name": name}, format="json")
    assert response.status_code == 201, response.content
    assert list(response.json()) == ["snapshotId"]
    snapshot_id: str = response.json()["snapshotId"]
    return snapshot_id


def foreign_snapshot(owner: User, runtime: str = "Python") -> Snapshot:
    blob = storage.save([b"a zip"])
    return Snapshot.objects.create(owner=owner, runtime=runtime, blob=blob)


# POST /sessions/{id}/snapshot


def test_a_snapshot_is_a_zip_of_the_objects_and_can_be_loaded_elsewhere(
    alices: APIClient, declared_node: RunningNode
) -> None:
    session = open_session(alices)
    put(alices, session, "x", [1, 2])
    snapshot_id = take_snapshot(alices, session)
    assert snapshot_id == str(uuid.UUID(snapshot_id))
    assert alices.delete(session).status_code == 200

    response = alices.get(f"/snapshots/{snapshot_id}", HTTP_ACCEPT="application/json")
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    content = content_of(response)
    assert int(response["Content-Length"]) == len(content)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == [".dill"]

    other = open_session(alices)
    put(alices, other, "x", "overwritten")
    put(alices, other, "y", "kept")
    response = alices.post(f"{other}/loadsnapshot/{snapshot_id}")
    assert (response.status_code, response.content) == (200, b"")
    assert sorted(alices.get(f"{other}/workspace").json()) == ["x", "y"]
    assert value_of(alices, other, "x") == [1, 2]
    assert value_of(alices, other, "y") == "kept"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"name":null}'])
def test_a_snapshot_needs_no_name(alices: APIClient, alice: User, body: bytes) -> None:
    with recording(alice, EMPTY) as node:
        response = alices.post(f"{node.path}/snapshot", body, content_type="application/json")
    assert response.status_code == 201
    assert Snapshot.objects.get().name == ""


def test_a_snapshot_knows_whether_there_is_anything_in_it(
    alices: APIClient, declared_node: RunningNode
) -> None:
    session = open_session(alices)
    empty = take_snapshot(alices, session)
    put(alices, session, "x", 1)
    full = take_snapshot(alices, session)
    assert Snapshot.objects.get(pk=empty).is_empty
    assert not Snapshot.objects.get(pk=full).is_empty


def test_a_body_that_cannot_be_right_saves_nothing(alices: APIClient, alice: User) -> None:
    with recording(alice, EMPTY) as node:
        for body in (b"[", b"[]", b'{"name":1}', b'{"name":"%s"}' % (b"x" * 256)):
            response = alices.post(f"{node.path}/snapshot", body, content_type="application/json")
            assert response.status_code == 400
    assert node.requests == []
    assert not Snapshot.objects.exists()


# POST /sessions/{id}/loadsnapshot/{snapshotId}


def test_an_unknown_snapshot_is_not_loaded(alice: User, alices: APIClient) -> None:
    session = Session.objects.create(owner=alice, runtime="Python", node="http://node/")
    for snapshot_id in (uuid.uuid4(), "no-guid"):
        response = alices.post(f"/sessions/{session.pk}/loadsnapshot/{snapshot_id}")
        assert response.status_code == 404


def test_a_snapshot_of_another_runtime_is_refused(alice: User, alices: APIClient) -> None:
    snapshot = foreign_snapshot(alice)
    with recording(alice) as node:  # a session in R
        assert alices.post(f"{node.path}/loadsnapshot/{snapshot.pk}").status_code == 400
        body = {"runtimeType": "R", "snapshotId": str(snapshot.pk)}
        assert alices.post("/sessions", body, format="json").status_code == 400
    assert node.requests == []
    assert Session.objects.count() == 1


def test_a_snapshot_that_is_no_zip_is_refused_and_opens_no_session(
    alice: User, alices: APIClient, declared_node: RunningNode
) -> None:
    snapshot = foreign_snapshot(alice)
    session = open_session(alices)
    put(alices, session, "x", 1)
    assert alices.post(f"{session}/loadsnapshot/{snapshot.pk}").status_code == 400
    assert value_of(alices, session, "x") == 1
    body = {"runtimeType": "Python", "snapshotId": str(snapshot.pk)}
    assert alices.post("/sessions", body, format="json").status_code == 400
    assert Session.objects.count() == 1


# /snapshots


def test_only_own_snapshots_are_listed_oldest_first(
    alices: APIClient, bob: User, alice: User
) -> None:
    foreign_snapshot(bob)
    with recording(alice, b"a zip") as node:
        first = take_snapshot(alices, node.path, "one")
        second = take_snapshot(alices, node.path)
    listed = alices.get("/snapshots").json()
    assert [entry["id"] for entry in listed] == [first, second]
    assert list(listed[0]) == ["id", "name", "owner", "creationTime", "contentSize"]
    assert (listed[0]["name"], listed[0]["owner"], listed[0]["contentSize"]) == ("one", "alice", 5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", listed[0]["creationTime"])


@pytest.mark.r
def test_an_r_snapshot_holds_its_workspace_as_rdata(
    alices: APIClient, declared_node: RunningNode
) -> None:
    session = open_session(alices, runtimeType="R")
    empty = take_snapshot(alices, session)
    assert Snapshot.objects.get(pk=empty).is_empty
    assert Snapshot.objects.get(pk=empty).runtime == "R"
    content = content_of(alices.get(f"/snapshots/{empty}"))
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == []


def test_a_deleted_snapshot_is_gone(alice: User, alices: APIClient) -> None:
    snapshot = foreign_snapshot(alice)
    response = alices.delete(f"/snapshots/{snapshot.pk}")
    assert response.status_code == 200
    assert isinstance(response.json(), str)
    assert alices.get("/snapshots").json() == []
    assert alices.delete(f"/snapshots/{snapshot.pk}").status_code == 404


def test_snapshots_of_equal_content_are_deleted_one_at_a_time(
    alice: User, alices: APIClient
) -> None:
    first, second = foreign_snapshot(alice), foreign_snapshot(alice)
    alices.delete(f"/snapshots/{first.pk}")
    assert content_of(alices.get(f"/snapshots/{second.pk}")) == b"a zip"


def test_what_is_no_guid_is_not_found(alices: APIClient) -> None:
    for method in (alices.get, alices.delete):
        assert method("/snapshots/no-guid").status_code == 404
