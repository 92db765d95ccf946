"""Executions that take long: nobody else waits for them, and who waits may hang up."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from nodes.session_ids import new_id
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import wait_until
from tests.nodes.web import WebNode

pytestmark = pytest.mark.any_database

N_LONG = 50
_DECLARE = """
from mlops.accounts.models import User
from nodes.models import NodeEntry, Session
NodeEntry.objects.create(uri={node!r})
Session.objects.create(
    id={id!r}, runtime="R", node={node!r}, owner=User.objects.get(username="admin")
)
"""
_REMOVE = """
from nodes.models import NodeEntry, Session
NodeEntry.objects.filter(uri={node!r}).delete()
Session.objects.filter(id={id!r}).delete()
"""


@dataclass
class Endless:
    """A node whose executions and snapshots never end, and that has no shell for others."""

    path: str = ""
    n_begun: int = 0
    n_broken_off: int = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.read_request()
            if b"/execute " in head or b"/snapshot " in head:
                self.n_begun += 1
                await peer.until_closed()
                self.n_broken_off += 1
                return
            if b"/console " in head:
                await peer.answer(b'{"consoleOutput":"so far"}')
            else:
                busy = b"HTTP/1.1 503 Service Unavailable"
                await peer.answer(b'{"code":"busy","message":"No shell."}', head=busy)


@pytest.fixture
def node(web_node: WebNode) -> Iterator[Endless]:
    """Declared on the web node, with a session of admin."""
    endless = Endless()
    with serving_in_thread(endless) as server:
        names = {"node": f"{server.url}/", "id": str(new_id())}
        web_node.run(_DECLARE.format(**names))
        endless.path = f"/sessions/{names['id']}"
        yield endless
        web_node.run(_REMOVE.format(**names))


def begin(web_node: WebNode, client: httpx.Client, path: str) -> socket.socket:
    """A connection on which a call was sent, and which waits for its answer."""
    body = b'{"code":"repeat {}"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", web_node.port), timeout=60)
    connection.sendall(head.encode() + body)
    return connection


def test_fifty_executions_keep_nobody_waiting_and_end_when_their_clients_hang_up(
    web_node: WebNode, node: Endless
) -> None:
    service = "/services/nobody-waits/1.0"
    with web_node.sign_in() as client, ExitStack() as clients:
        code = {"runtimeType": "Python", "code": "y = 1", "outputParameterDefinitions": []}
        assert client.post(service, json=code).status_code == 201
        clients.callback(client.delete, service)
        for _ in range(N_LONG):
            clients.enter_context(begin(web_node, client, f"{node.path}/execute"))
        wait_until(lambda: node.n_begun == N_LONG)

        assert client.get("/ping").status_code == 200
        assert client.get(f"{node.path}/console-output").json() == {"consoleOutput": "so far"}
        assert client.get("/sessions").status_code == 200
        assert client.post("/api/nobody-waits/1.0", json={}).json()["success"]
        assert node.n_broken_off == 0
        clients.close()
        wait_until(lambda: node.n_broken_off == N_LONG)


def test_a_snapshot_whose_client_hangs_up_is_not_saved(web_node: WebNode, node: Endless) -> None:
    with web_node.sign_in() as client:
        before = client.get("/snapshots").json()
        with begin(web_node, client, f"{node.path}/snapshot"):
            wait_until(lambda: node.n_begun == 1)
        wait_until(lambda: node.n_broken_off == 1)
        assert client.get("/snapshots").json() == before
