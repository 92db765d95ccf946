"""Opening sessions."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import AuditEntry, User
from mlops.errors import Busy, LimitReached, NodeFailure, NotFound
from nodes.models import NodeEntry, Session
from nodes.sessions import end_session, open_session
from tests.nodes.loopback import Peer, serving_in_thread
from tests.ports import free_port


async def willing(peer: Peer) -> None:
    while True:
        await peer.read_request()
        await peer.answer(b"{}")


def test_a_session_goes_to_another_node_when_the_first_is_full(alice: User) -> None:
    async def full(peer: Peer) -> None:
        while True:
            await peer.read_request()
            head = b"HTTP/1.1 503 Service Unavailable"
            await peer.answer(b'{"code":"busy","message":"All shells are busy."}', head=head)

    with serving_in_thread(full) as server, serving_in_thread(willing) as other:
        for each in (server, other):
            NodeEntry.objects.create(uri=f"{each.url}/")
        for _ in range(4):
            session = open_session(user=alice, runtime="Python")
            assert session.node == f"{other.url}/"
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


# How many a user may have.


def test_a_user_has_no_more_sessions_than_allowed(
    alice: User, bob: User, settings: Settings
) -> None:
    settings.SESSIONS_PER_USER = 2
    with serving_in_thread(willing) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        own = {open_session(user=alice, runtime="R") for _ in range(2)}
        with pytest.raises(LimitReached, match=r"You have 2 sessions open.* close one of them"):
            open_session(user=alice, runtime="R")
        assert set(Session.objects.all()) == own
        open_session(user=bob, runtime="R")


@pytest.mark.django_db(transaction=True)
def test_openings_that_race_do_not_slip_past_the_bound(alice: User, settings: Settings) -> None:
    settings.SESSIONS_PER_USER = 3
    start = threading.Barrier(8)

    def try_to_open(_: int) -> bool:
        start.wait()
        try:
            open_session(user=alice, runtime="R")
        except LimitReached:
            return False
        finally:
            connection.close()
        return True

    with serving_in_thread(willing) as server:
        NodeEntry.objects.create(uri=f"{server.url}/")
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(try_to_open, range(8))) == 3
    assert Session.objects.count() == 3


def test_sessions_that_are_lost_make_room(alice: User, settings: Settings) -> None:
    settings.SESSIONS_PER_USER = 4
    held = ""

    async def holding_one(peer: Peer) -> None:
        while True:
            head, _ = await peer.read_request()
            is_list = head.startswith(b"GET /v1/sessions ")
            await peer.answer(b'{"sessions":["%s"]}' % held.encode() if is_list else b"{}")

    with serving_in_thread(holding_one) as server:
        node, down = f"{server.url}/", f"http://127.0.0.1:{free_port()}/"
        for uri in (node, down):
            NodeEntry.objects.create(uri=uri)
        living, new, _unknown, _on_removed_node = (
            Session.objects.create(owner=alice, runtime="R", node=where)
            for where in (node, node, node, down)
        )
        held = str(living.pk)
        Session.objects.exclude(pk=new.pk).update(created_at=timezone.now() - timedelta(hours=1))
        NodeEntry.objects.filter(uri=down).delete()
        opened = open_session(user=alice, runtime="R")
    assert set(Session.objects.all()) == {living, new, opened}


def session_on(address: str, owner: User) -> Session:
    NodeEntry.objects.get_or_create(uri=address)
    return Session.objects.create(owner=owner, runtime="Python", node=address)


def test_its_user_and_owners_end_a_session_and_nobody_else(
    alice: User, bob: User, admin: User
) -> None:
    with serving_in_thread(willing) as server:
        session = session_on(f"{server.url}/", alice)
        with pytest.raises(NotFound):
            end_session(user=bob, session_id=str(session.pk))
        assert Session.objects.filter(pk=session.pk).exists()
        for user, owner in ((alice, None), (admin, {"owner": "alice"})):
            session = session_on(f"{server.url}/", alice)
            end_session(user=user, session_id=str(session.pk))
            entry = AuditEntry.objects.latest("pk")
            assert not Session.objects.filter(pk=session.pk).exists()
            assert (entry.action, entry.username) == ("close session", user.username)
            assert (entry.object, entry.before) == (f"session {session.pk}", owner)


def test_a_session_ends_even_if_its_node_cannot_be_reached(alice: User) -> None:
    session = session_on(f"http://127.0.0.1:{free_port()}/", alice)
    end_session(user=alice, session_id=str(session.pk))
    assert not Session.objects.exists()


def test_a_session_that_its_node_does_not_end_stays(alice: User) -> None:
    async def broken(peer: Peer) -> None:
        await peer.read_request()
        head = b"HTTP/1.1 500 Internal Server Error"
        await peer.answer(b'{"code":"internal-error","message":"No."}', head=head)

    with serving_in_thread(broken) as server:
        session = session_on(f"{server.url}/", alice)
        with pytest.raises(NodeFailure):
            end_session(user=alice, session_id=str(session.pk))
    assert Session.objects.filter(pk=session.pk).exists()
