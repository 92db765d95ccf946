"""What the worker does about sessions."""

import json
import uuid
from datetime import timedelta

from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from nodes.models import NodeEntry, Session
from nodes.session_ids import new_id, own_id
from nodes.session_upkeep import close_idle_sessions, close_stray_sessions
from nodes.sessions import open_session
from nodes.tasks import close_idle_sessions as close_idle_sessions_task
from nodes.tasks import close_stray_sessions as close_stray_sessions_task
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import RunningNode
from tests.ports import free_port


def is_open(session: Session, node: RunningNode) -> bool:
    answer = node.http.get(f"/v1/sessions/{session.pk}/workspace")
    return bool(answer.status_code == 200)


def idle(session: Session, *, for_seconds: int) -> None:
    last_used_at = timezone.now() - timedelta(seconds=for_seconds)
    Session.objects.filter(pk=session.pk).update(last_used_at=last_used_at)


# Idle ones.


def test_idle_sessions_are_closed_on_their_node_and_then_unknown(
    alice: User, declared_node: RunningNode, settings: Settings
) -> None:
    settings.SESSION_IDLE_SECONDS = 1000
    old = open_session(user=alice, runtime="Python")
    new = Session.objects.create(owner=alice, runtime="Python", node=old.node)
    idle(old, for_seconds=1001)
    idle(new, for_seconds=999)
    close_idle_sessions_task()
    assert list(Session.objects.all()) == [new]
    assert not is_open(old, declared_node)


def test_an_idle_session_that_is_lost_is_removed(alice: User, declared_node: RunningNode) -> None:
    Session.objects.create(owner=alice, runtime="Python", node=f"{declared_node.address}/")
    assert close_idle_sessions(now=timezone.now() + timedelta(days=2)) == 1
    assert not Session.objects.exists()


def test_idle_sessions_are_forgotten_even_when_their_node_cannot_be_reached(alice: User) -> None:
    address = "http://no-such-node.invalid:12805/"
    NodeEntry.objects.create(uri=address)
    for _ in range(2):
        Session.objects.create(owner=alice, runtime="R", node=address)
    assert close_idle_sessions(now=timezone.now() + timedelta(days=2)) == 2
    assert not Session.objects.exists()


# Strays.


def test_a_deployment_recognises_the_ids_it_made_and_no_others(settings: Settings) -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(one.version == 4 and own_id(str(one)) == one for one in ids)
    settings.SECRET_KEY = "another deployment"
    assert not any(own_id(str(one)) for one in ids)
    assert not any(own_id(text) for text in (str(uuid.uuid4()), "", "no-guid"))


def test_what_a_node_holds_for_sessions_we_have_forgotten_is_closed(
    alice: User, bob: User, declared_node: RunningNode
) -> None:
    kept = open_session(user=alice, runtime="Python")
    forgotten = open_session(user=bob, runtime="Python")
    bob.delete()
    foreign = uuid.uuid4()
    body = {"id": str(foreign), "runtime": "Python"}
    assert declared_node.http.post("/v1/sessions", json=body).status_code == 201
    close_stray_sessions_task()
    assert not is_open(forgotten, declared_node)
    assert is_open(kept, declared_node)
    assert declared_node.http.delete(f"/v1/sessions/{foreign}?force=1").status_code == 200


def test_a_session_that_is_just_being_opened_is_no_stray(alice: User) -> None:
    session = Session(pk=new_id(), owner=alice, runtime="R")
    opening = str(session.pk)
    closed = []

    async def node(peer: Peer) -> None:
        while True:
            head, _ = await peer.read_request()
            if head.startswith(b"DELETE"):
                closed.append(head)
            await peer.answer(json.dumps({"sessions": [opening]}).encode())

    with serving_in_thread(node) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        session.node = f"{server.url}/"
        session.save()  # as opening does, before the node is asked
        assert close_stray_sessions() == 0
    assert closed == []


def test_nodes_that_do_not_answer_keep_nobody_from_looking_at_the_others(db: None) -> None:
    stray = new_id()
    closed = []

    async def node(peer: Peer) -> None:
        while True:
            head, _ = await peer.read_request()
            if head.startswith(b"DELETE"):
                closed.append(head)
            await peer.answer(json.dumps({"sessions": [str(stray)]}).encode())

    async def no_node(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"<html>")

    with serving_in_thread(node) as server, serving_in_thread(no_node) as other:
        for uri in (f"http://127.0.0.1:{free_port()}/", f"{other.url}/", f"{server.url}/"):
            NodeEntry.objects.create(uri=uri)
        close_stray_sessions_task()
    assert [head.split(b" ")[1] for head in closed] == [f"/v1/sessions/{stray}?force=1".encode()]
