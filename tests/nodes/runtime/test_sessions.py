"""Sessions hold objects and files, save them as snapshots, and give them to bundles."""

import io
import uuid
import zipfile

import pytest

from tests.nodes.runtime.open_sessions import OpenSession
from tests.nodes.runtime.running import RunningNode, zip_of


def test_an_object_comes_back_as_it_was_put(session: OpenSession) -> None:
    assert session.names() == []
    answer = session.put("model", {"weights": [1.5, 2]})
    assert (answer.status_code, answer.json()) == (200, {})
    assert session.names() == ["model"]
    assert session.value("model") == {"weights": [1.5, 2]}


def test_a_deleted_object_is_gone(session: OpenSession) -> None:
    session.put("model", 1)
    assert session.node.http.delete(f"{session.path}/workspace/model").json() == {}
    assert session.names() == []
    for answer in (
        session.get("model"),
        session.node.http.delete(f"{session.path}/workspace/model"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "object-unknown")


@pytest.mark.parametrize("data", [b"no pickle", b"", b"cno_such_module\nThing\n."])
def test_bytes_that_are_no_object_are_refused_with_pythons_own_words(
    session: OpenSession, data: bytes
) -> None:
    session.put("kept", 1)
    answer = session.put_bytes("kept", data)
    assert (answer.status_code, answer.json()["code"]) == (400, "object-invalid")
    assert "Error" in answer.json()["message"]
    assert session.value("kept") == 1


def test_an_object_that_kills_the_interpreter_ends_its_session_alone(node: RunningNode) -> None:
    session, other = OpenSession(node), OpenSession(node)
    answer = session.put_bytes("x", b"cos\n_exit\n(I3\ntR.")
    assert (answer.status_code, answer.json()["code"]) == (500, "session-failed")
    assert "exit code 3" in answer.json()["message"]
    assert session.get("x").json()["code"] == "session-unknown"
    assert other.put("x", 1).status_code == 200
    other.close()


def test_an_empty_session_gives_a_zip_without_entries(session: OpenSession) -> None:
    assert zipfile.ZipFile(io.BytesIO(session.snapshot())).namelist() == []


def test_a_snapshot_carries_objects_and_files_into_another_session(node: RunningNode) -> None:
    first, second = OpenSession(node), OpenSession(node)
    first.put("a", [1])
    second.put("b", [2])
    assert first.load(zip_of({"data/x.txt": b"x"})).json() == {}
    snapshot = first.snapshot()
    assert set(zipfile.ZipFile(io.BytesIO(snapshot)).namelist()) == {"data/x.txt", ".dill"}
    assert second.load(snapshot).status_code == 200
    assert second.names() == ["a", "b"]
    names = zipfile.ZipFile(io.BytesIO(second.snapshot())).namelist()
    assert set(names) == {"data/x.txt", ".dill"}
    first.close()
    second.close()


def test_objects_that_share_a_part_still_share_it_after_a_snapshot(session: OpenSession) -> None:
    shared: list[int] = []
    session.put("pair", (shared, shared))
    assert session.load(session.snapshot()).status_code == 200
    left, right = session.value("pair")
    assert left is right


@pytest.mark.parametrize(
    "snapshot",
    [b"no zip", zip_of({"../escaped": b"x"}), zip_of({".dill": b"no pickle"})],
    ids=["no zip", "traversal", "no pickle"],
)
def test_a_snapshot_that_cannot_be_loaded_changes_nothing(
    session: OpenSession, snapshot: bytes
) -> None:
    session.put("kept", 1)
    before = session.snapshot()
    answer = session.load(snapshot)
    assert (answer.status_code, answer.json()["code"]) == (400, "snapshot-invalid")
    assert session.snapshot() == before


def test_a_bundle_made_of_a_snapshot_scores_with_its_objects_and_files(
    node: RunningNode, session: OpenSession
) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    session.put("model", model)
    session.load(zip_of({"offset.txt": b"10"}))
    service = node.publish(
        "y = float(model.predict([[x]])[0]) + float(open('offset.txt').read())",
        inputs=[("x", "numeric")],
        outputs=[("y", "numeric")],
        payload=session.snapshot(),
    )
    session.close()
    assert service.outputs({"x": 2})["y"] == pytest.approx(15)


def test_a_closed_session_is_unknown_and_its_shell_is_free(node: RunningNode) -> None:
    session = OpenSession(node)
    active = node.health()["activeShellCount"]
    assert session.close().json() == {}
    assert node.health()["activeShellCount"] == active - 1
    for answer in (session.close(), session.get("x"), node.http.post(f"{session.path}/snapshot")):
        assert (answer.status_code, answer.json()["code"]) == (404, "session-unknown")


def test_the_same_id_twice_is_refused(session: OpenSession) -> None:
    answer = session.node.http.post("/v1/sessions", json={"id": session.id, "runtime": "Python"})
    assert answer.status_code == 400
    assert session.names() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": "x"}'])
def test_a_session_without_id_and_runtime_is_refused(node: RunningNode, body: bytes) -> None:
    assert node.http.post("/v1/sessions", content=body).status_code == 400


@pytest.mark.parametrize(
    "session_id",
    [
        *("", "x", "../x", 1, None, "a" * 100_000, "{6f1a3c80-0000-4000-8000-000000000001}"),
        *("6F1A3C80-0000-4000-8000-00000000000A", "6f1a3c80-0000-4000-8000-000000000001\n"),
    ],
)
def test_an_id_that_is_no_guid_opens_nothing(node: RunningNode, session_id: object) -> None:
    before = node.http.get("/v1/sessions").json()
    body = {"id": session_id, "runtime": "Python"}
    answer = node.http.post("/v1/sessions", json=body)
    assert answer.status_code in (400, 413)
    assert node.http.get("/v1/sessions").json() == before


@pytest.mark.parametrize("runtime", ["R", "Perl"])
def test_a_session_of_a_language_that_does_not_run_here_is_unavailable(
    node: RunningNode, runtime: str
) -> None:
    answer = node.http.post("/v1/sessions", json={"id": str(uuid.uuid4()), "runtime": runtime})
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime-unavailable")
