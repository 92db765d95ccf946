"""How many snapshots a user may have, how large they may be, and what a refused one leaves."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import InvalidRequest
from nodes.actions import declare_node
from nodes.models import Session, Snapshot
from nodes.snapshots import create_snapshot
from tests.conftest import create_user
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.recorder import Recorder, recording
from tests.nodes.runtime.running import zip_of

SignIn = Callable[[User], APIClient]


ZIP = zip_of({"x": bytes(3_000_000)})


@pytest.fixture
def node(alice: User) -> Iterator[Recorder]:
    """A node whose every session has a snapshot of 3 MB."""
    with recording(alice, ZIP) as node:
        yield node


def stored() -> tuple[int, int]:
    return Snapshot.objects.count(), Blob.objects.count()


def test_one_that_is_too_large_is_refused_and_leaves_nothing(
    alice: User, client_for: SignIn, node: Recorder, settings: Settings
) -> None:
    client = client_for(alice)
    settings.SNAPSHOT_MAX_BYTES = len(ZIP) - 1
    response = client.post(f"{node.path}/snapshot", {}, format="json")
    assert response.status_code == 413
    assert f"more than {len(ZIP) - 1} bytes" in response.json()["message"]
    assert stored() == (0, 0)
    settings.SNAPSHOT_MAX_BYTES = len(ZIP)
    assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 201


def test_a_user_has_no_more_of_them_than_allowed(
    alice: User, client_for: SignIn, node: Recorder, settings: Settings
) -> None:
    client = client_for(alice)
    settings.SNAPSHOTS_PER_USER = 2
    other = Snapshot.objects.create(
        owner=create_user("olga"), runtime="R", blob=storage.save([b"a zip"])
    )
    for _ in range(2):
        assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 201
    before = stored()
    response = client.post(f"{node.path}/snapshot", {}, format="json")
    assert response.status_code == 400
    assert "You have 2 snapshots" in response.json()["message"]
    assert stored() == before
    assert len(node.requests) == 2
    Snapshot.objects.filter(owner=alice)[0].delete()
    assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 201
    assert Snapshot.objects.filter(pk=other.pk).exists()


def test_a_user_has_no_more_bytes_of_them_than_allowed(
    alice: User, client_for: SignIn, node: Recorder, settings: Settings
) -> None:
    client = client_for(alice)
    settings.SNAPSHOT_BYTES_PER_USER = len(ZIP) + 1000
    assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 201
    response = client.post(f"{node.path}/snapshot", {}, format="json")
    assert response.status_code == 400
    assert "delete some of them" in response.json()["message"]
    assert stored() == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_creations_that_race_do_not_slip_past_the_bound(alice: User, settings: Settings) -> None:
    settings.SNAPSHOTS_PER_USER = 3
    start = threading.Barrier(6)

    def try_to_create(session_id: str) -> bool:
        start.wait()
        try:
            create_snapshot(user=alice, session_id=session_id)
        except InvalidRequest:
            return False
        finally:
            connection.close()
        return True

    with recording(alice, ZIP):
        session_id = str(Session.objects.get().pk)
        with ThreadPoolExecutor(6) as threads:
            assert sum(threads.map(try_to_create, [session_id] * 6)) == 3
    assert stored() == (3, 1)


@pytest.mark.parametrize("announced", [b"Content-Length: 5000000", b"Transfer-Encoding: chunked"])
def test_one_that_breaks_off_leaves_nothing(
    alice: User, client_for: SignIn, announced: bytes
) -> None:
    async def breaking(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + announced + b"\r\n\r\n")
        is_chunked = announced.startswith(b"Transfer")
        await peer.send(b"2dc6c0\r\n" + bytes(3_000_000) if is_chunked else bytes(3_000_000))

    with recording(alice) as node, serving_in_thread(breaking) as server:
        declare_node(uri=server.url)
        Session.objects.update(node=f"{server.url}/")
        client = client_for(alice)
        assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 500
    assert stored() == (0, 0)


@pytest.mark.parametrize("announces", [True, False])
def test_the_size_counts_whether_it_was_announced_or_not(
    alice: User, client_for: SignIn, settings: Settings, announces: bool
) -> None:
    settings.SNAPSHOT_MAX_BYTES = 2_000_000

    async def large(peer: Peer) -> None:
        await peer.read_request()
        if announces:
            await peer.answer(ZIP)
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await peer.send(b"%x\r\n" % len(ZIP) + ZIP + b"\r\n0\r\n\r\n")
        await peer.until_closed()

    with recording(alice) as node, serving_in_thread(large) as server:
        declare_node(uri=server.url)
        Session.objects.update(node=f"{server.url}/")
        client = client_for(alice)
        assert client.post(f"{node.path}/snapshot", {}, format="json").status_code == 413
    assert stored() == (0, 0)
