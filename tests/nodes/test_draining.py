"""Taking compute nodes out of work, and back into it."""

from collections.abc import Callable, Iterator

import pytest

from mlops.accounts.models import User
from mlops.errors import Busy, Forbidden, InvalidRequest
from nodes.actions import add_nodes, remove_nodes, replace_nodes
from nodes.compute_node import run_sync
from nodes.declared import drained_entries
from nodes.draining import drain_nodes, resume_nodes
from nodes.holding import node_holding
from nodes.models import NodeDrain, Session
from nodes.overview import known_nodes
from nodes.registry import Registry, addresses, known_addresses, registry
from nodes.session_ids import new_id
from nodes.session_upkeep import close_stray_sessions
from nodes.sessions import open_session
from nodes.tasks import probe_nodes
from tests.nodes.runtime.running import RunningNode, wait_until
from tests.nodes.test_state import NOW
from tests.nodes.web import WebNode

A, B, RANGE = "http://10.0.0.1:12805/", "http://10.0.0.2:12805/", "http://10.0.1.0-9:12805/"
MEMBER, PART = "http://10.0.1.3:12805/", "http://10.0.1.2-5:12805/"

Change = Callable[..., None]


@pytest.fixture
def declared(admin: User) -> None:
    add_nodes(user=admin, entries=[A, B, RANGE])


pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("declared")
def test_a_drained_node_is_called_no_more_and_known_all_the_same(admin: User) -> None:
    drain_nodes(user=admin, entries=["HTTP://10.0.0.1:12805"])
    assert (addresses(), known_addresses()) == ((B,), (B, A))
    resume_nodes(user=admin, entries=[A])
    assert set(addresses()) == {A, B}


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("uri", [A, RANGE, PART, MEMBER])
def test_an_entry_a_part_of_it_or_an_address_may_be_drained(admin: User, uri: str) -> None:
    drain_nodes(user=admin, entries=[uri])
    assert drained_entries() == [uri]
    assert NodeDrain.objects.get().by == "admin"


@pytest.mark.usefixtures("declared")
def test_what_is_drained_already_stays_as_it_is(admin: User) -> None:
    drain_nodes(user=admin, entries=[RANGE])
    since = NodeDrain.objects.get().since
    drain_nodes(user=admin, entries=[RANGE, MEMBER])
    assert NodeDrain.objects.get().since == since


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("wrong", ["http://10.0.0.3:12805", "http://10.0.1.5-12:12805", "nonsense"])
def test_what_is_not_declared_cannot_be_drained(admin: User, wrong: str) -> None:
    with pytest.raises(InvalidRequest):
        drain_nodes(user=admin, entries=[A, wrong])
    assert drained_entries() == []


@pytest.mark.usefixtures("declared")
def test_resuming_an_entry_resumes_all_of_it(admin: User) -> None:
    drain_nodes(user=admin, entries=[A, MEMBER, "http://10.0.1.7-8:12805"])
    resume_nodes(user=admin, entries=[RANGE])
    assert drained_entries() == [A]


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(
    ("uri", "said"), [(B, "is not drained"), (MEMBER, f"as part of {RANGE}"), (PART, "as a whole")]
)
def test_what_is_not_drained_or_only_with_others_cannot_be_resumed(
    admin: User, uri: str, said: str
) -> None:
    drain_nodes(user=admin, entries=[A, RANGE])
    with pytest.raises(InvalidRequest, match=said):
        resume_nodes(user=admin, entries=[A, uri])
    assert drained_entries() == [A, RANGE]


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("change", [drain_nodes, resume_nodes])
def test_who_may_not_change_the_list_may_not_drain(admin: User, rita: User, change: Change) -> None:
    drain_nodes(user=admin, entries=[B])
    with pytest.raises(Forbidden):
        change(user=rita, entries=[A])
    assert drained_entries() == [B]


@pytest.mark.usefixtures("declared")
def test_what_is_declared_again_is_not_drained_any_more(admin: User) -> None:
    drain_nodes(user=admin, entries=[A, MEMBER])
    remove_nodes(user=admin, entries=[A])
    assert drained_entries() == [MEMBER]
    replace_nodes(user=admin, entries=[A])
    assert drained_entries() == []


@pytest.mark.usefixtures("declared")
def test_a_node_nobody_has_looked_at_is_unknown_or_draining(admin: User) -> None:
    drain_nodes(user=admin, entries=[B])
    states = {node.address: (node.state.name, node.drained_by) for node in known_nodes(now=NOW)}
    assert states == {A: ("unknown", None), B: ("draining", "admin")}


def test_another_process_hears_of_it(admin: User) -> None:
    add_nodes(user=admin, entries=[A, B])
    other = Registry()
    assert set(other.picture().addresses) == {A, B}
    drain_nodes(user=admin, entries=[A])
    wait_until(lambda: other.picture().addresses == (B,))


# With a real node.


@pytest.fixture
def drained(declared_node: RunningNode, admin: User) -> Iterator[RunningNode]:
    """The only node, drained; alice has had a session on it before."""
    drain_nodes(user=admin, entries=[declared_node.address])
    yield declared_node
    registry.forget()


@pytest.fixture
def session(declared_node: RunningNode, alice: User) -> Session:
    return open_session(user=alice, runtime="Python")


def test_sessions_of_a_drained_node_stay_and_none_is_opened(
    session: Session, alice: User, drained: RunningNode
) -> None:
    with pytest.raises(Busy, match="All compute nodes are drained"):
        open_session(user=alice, runtime="Python")
    with node_holding(session) as node:
        assert b"success" in run_sync(node.execute(session.pk, "1 + 1", [], []))


def test_stray_sessions_of_a_drained_node_are_closed(drained: RunningNode) -> None:
    body = {"id": str(new_id()), "runtime": "Python"}
    assert drained.http.post("/v1/sessions", json=body).status_code == 201
    assert close_stray_sessions() == 1


def test_a_drained_node_tells_the_prober_what_is_left(
    session: Session, drained: RunningNode
) -> None:
    NodeDrain.objects.update(since=NOW.replace(year=2020))
    probe_nodes()
    row = known_nodes(now=NOW.replace(year=2020))[0]
    assert row.health
    assert row.health.n_sessions >= 1
    assert row.state.reason.endswith("are left.")


@pytest.fixture
def service(web_node: WebNode) -> Iterator[str]:
    """The path of a service of the web node."""
    with web_node.sign_in() as client:
        body = {"code": "answer = 1", "runtimeType": "Python"}
        assert client.post("/services/drained/v1", json=body).status_code == 201
        yield "/api/drained/v1"
        client.delete("/services/drained/v1")


def test_a_running_web_node_goes_by_what_another_process_drains(
    web_node: WebNode, service: str, compute_node: RunningNode
) -> None:
    entries = {"entries": [compute_node.address]}
    drain = f"""
from mlops.accounts.models import User
from nodes.draining import drain_nodes
drain_nodes(user=User.objects.get(), entries={entries["entries"]!r})
"""
    with web_node.sign_in() as client:
        opened = client.post("/sessions", json={"runtimeType": "Python"})
        session = f"/sessions/{opened.json()['sessionId']}"
        assert client.post(service, json={}).status_code == 200
        web_node.run(drain)
        try:
            wait_until(lambda: client.post(service, json={}).status_code == 503)
            assert "drained" in client.post(service, json={}).json()["message"]
            assert client.post("/sessions", json={"runtimeType": "Python"}).status_code == 503
            assert client.get(f"{session}/workspace").status_code == 200
            [state] = client.get("/computenodes/states").json()["computeNodes"]
            assert (state["state"], state["drainedBy"]) == ("draining", "admin")
        finally:
            assert client.post("/computenodes/resume", json=entries).status_code == 200
        assert client.post(service, json={}).status_code == 200
        client.delete(session)
