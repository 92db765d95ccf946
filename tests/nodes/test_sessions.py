"""Opening and expiring sessions."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.errors import Busy, NodeFailure
from nodes.models import NodeEntry, Session
from nodes.sessions import close_idle_sessions, open_session
from nodes.tasks import close_idle_sessions as close_idle_sessions_task
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import RunningNode


def is_open(session: Session, node: RunningNode) -> bool:
    answer = node.http.get(f"/v1/sessions/{session.pk}/workspace")
    return bool(answer.status_code == 200)


def idle(session: Session, *, for_seconds: int) -> None:
    last_used_at = timezone.now() - timedelta(seconds=for_seconds)
    Session.objects.filter(pk=session.pk).update(last_used_at=last_used_at)


def test_a_session_goes_to_another_node_when_the_first_is_full(
    alice: User, declared_node: RunningNode
) -> None:
    async def full(peer: Peer) -> None:
        while True:
            await peer.read_request()
            head = b"HTTP/1.1 503 Service Unavailable"
            await peer.answer(b'{"code":"busy","message":"All shells are busy."}', head=head)

    with serving_in_thread(full) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        for _ in range(4):
            session = open_session(user=alice, runtime="Python")
            assert session.node == f"{declared_node.address}/"
            assert Session.objects.get(pk=session.pk).node == session.node


def test_a_session_that_no_node_has_room_for_leaves_nothing(alice: User) -> None:
    async def full(peer: Peer) -> None:
        await peer.read_request()
        head = b"HTTP/1.1 503 Service Unavailable"
        await peer.answer(b'{"code":"busy","message":"All shells are busy."}', head=head)

    with serving_in_thread(full) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        with pytest.raises(Busy, match="All shells are busy"):
            open_session(user=alice, runtime="Python")
    assert not Session.objects.exists()


def test_a_session_that_may_have_been_opened_is_closed_again(alice: User) -> None:
    requests = []

    async def breaking(peer: Peer) -> None:
        head, _ = await peer.read_request()
        requests.append(head.split(b"\r\n")[0])
        if head.startswith(b"DELETE"):
            await peer.answer(b"{}")

    with serving_in_thread(breaking) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        with pytest.raises(NodeFailure):
            open_session(user=alice, runtime="Python")
    assert [request.split()[0] for request in requests] == [b"POST", b"DELETE"]
    assert requests[1].endswith(b"?force=1 HTTP/1.1")
    assert not Session.objects.exists()


def test_idle_sessions_are_closed_on_their_node_and_then_unknown(
    alice: User, declared_node: RunningNode, settings: Settings
) -> None:
    settings.SESSION_IDLE_SECONDS = 1000
    old, new = (open_session(user=alice, runtime="Python") for _ in range(2))
    idle(old, for_seconds=1001)
    idle(new, for_seconds=999)
    close_idle_sessions_task()
    assert list(Session.objects.all()) == [new]
    assert not is_open(old, declared_node)
    assert is_open(new, declared_node)


def test_an_idle_session_that_is_lost_is_removed(alice: User, declared_node: RunningNode) -> None:
    session = open_session(user=alice, runtime="Python")
    declared_node.http.delete(f"/v1/sessions/{session.pk}?force=1")
    assert close_idle_sessions(now=timezone.now() + timedelta(days=2)) == 1
    assert not Session.objects.exists()


def test_an_idle_session_whose_node_cannot_be_reached_stays_for_the_next_time(
    alice: User,
) -> None:
    address = "http://no-such-node.invalid:12805/"
    NodeEntry.objects.create(uri=address)
    for _ in range(2):
        Session.objects.create(owner=alice, runtime="R", node=address)
    assert close_idle_sessions(now=timezone.now() + timedelta(days=2)) == 0
    assert Session.objects.count() == 2
