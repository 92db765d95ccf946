"""`manage.py webnode`, as a process."""

import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dill
import pytest

from tests.database_option import own_database
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import wait_until
from tests.nodes.web import WebNode, start_web_node
from tests.ports import free_port

MIB = 1024**2


@pytest.fixture
def own_web_node(tmp_path: Path) -> Iterator[WebNode]:
    """A web node that a test may stop."""
    node = start_web_node(tmp_path)
    yield node
    node.stop()


@pytest.fixture
def session(web_node: WebNode) -> Iterator[str]:
    """The full address of a Python session."""
    with web_node.sign_in() as client:
        answer = client.post("/sessions", json={"runtimeType": "Python"})
        assert answer.status_code == 201, answer.text
        address = f"/sessions/{answer.json()['sessionId']}"
        yield address
        client.delete(address)


def refusal(node: WebNode, *arguments: str) -> str:
    """What a web node says that does not start on the port and the database of `node`."""
    ended = subprocess.run(
        node.command("webnode", "--port", str(node.port), *arguments),
        **node.surroundings(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    return ended.stderr.decode()


def pieces(content: bytes, size: int = 256 * 1024) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


# Starting.


def test_it_does_not_start_on_a_port_that_is_taken(web_node: WebNode) -> None:
    message = refusal(web_node)
    assert f"cannot listen on 127.0.0.1:{web_node.port}" in message
    assert "MLOPS_PORT" in message


def test_it_does_not_start_on_an_address_that_is_not_of_this_machine(web_node: WebNode) -> None:
    assert "cannot listen on 203.0.113.1" in refusal(web_node, "--host", "203.0.113.1")


def test_it_makes_the_tables_of_an_empty_database(tmp_path: Path) -> None:
    node = WebNode(tmp_path, free_port(), own_database())
    node.start()
    assert node.http.post("/login", json={"username": "a", "password": "b"}).status_code == 401
    assert node.stop() == 0


def test_it_does_not_start_on_a_database_of_an_older_version(own_web_node: WebNode) -> None:
    own_web_node.stop()
    own_web_node.run(
        "from django.db.migrations.recorder import MigrationRecorder\n"
        "MigrationRecorder.Migration.objects.filter(app='services').delete()"
    )
    assert "Stop every node" in refusal(own_web_node)


# Serving.


def test_it_answers_without_naming_its_server(web_node: WebNode) -> None:
    answer = web_node.http.get("/ping")
    assert (answer.status_code, answer.text) == (200, "pong")
    assert "server" not in answer.headers


def test_refresh_tokens_in_addresses_are_not_logged(web_node: WebNode) -> None:
    web_node.http.delete("/login/refreshToken", params={"refreshToken": "secret-one"})
    web_node.http.delete("/login/refreshToken/secret-two")
    assert "secret-" not in web_node.log.read_text()


def test_a_json_body_sent_in_chunks_is_understood(web_node: WebNode) -> None:
    body = b'{"username":"admin","password":"wrong"}'
    answer = web_node.http.post("/login", content=pieces(body, 7))
    assert answer.status_code == 401
    assert "wrong" in answer.json()["message"]


# Large bodies.


@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_object_passes_through_without_being_held_in_memory(
    web_node: WebNode, session: str, is_chunked: bool
) -> None:
    content = dill.dumps(random.Random(1).randbytes(100 * MIB))
    with web_node.sign_in() as client:
        before = web_node.peak_memory()
        body = pieces(content) if is_chunked else content
        answer = client.post(f"{session}/workspace/big", content=body)
        assert answer.status_code == 200, answer.text
        assert client.get(f"{session}/workspace").json() == ["big"]
        with client.stream("GET", f"{session}/workspace/big") as answer:
            assert int(answer.headers["content-length"]) == len(content)
            assert b"".join(answer.iter_bytes()) == content
        assert web_node.peak_memory() - before < 40 * MIB


def test_a_snapshot_passes_through_without_being_held_in_memory(
    web_node: WebNode, session: str
) -> None:
    content = dill.dumps(random.Random(1).randbytes(60 * MIB))
    with web_node.sign_in() as client:
        assert client.post(f"{session}/workspace/big", content=content).status_code == 200
        before = web_node.peak_memory()
        snapshot_id = client.post(f"{session}/snapshot").json()["snapshotId"]
        n_bytes = 0
        with client.stream("GET", f"/snapshots/{snapshot_id}") as answer:
            assert answer.status_code == 200
            for chunk in answer.iter_bytes():
                n_bytes += len(chunk)
        assert n_bytes == client.get("/snapshots").json()[-1]["contentSize"] > 60 * MIB
        assert client.post(f"{session}/loadsnapshot/{snapshot_id}").status_code == 200
        assert web_node.peak_memory() - before < 40 * MIB
        assert client.delete(f"/snapshots/{snapshot_id}").status_code == 200


def test_a_client_that_goes_away_in_the_middle_of_a_download_harms_nobody(
    web_node: WebNode, session: str
) -> None:
    content = dill.dumps(bytes(20 * MIB))
    with web_node.sign_in() as client:
        assert client.post(f"{session}/workspace/big", content=content).status_code == 200
        for _ in range(3):
            with client.stream("GET", f"{session}/workspace/big") as answer:
                next(answer.iter_bytes())
        assert client.get(f"{session}/workspace/big").content == content
    assert "Traceback" not in web_node.log.read_text()


# Stopping.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_although_connections_are_kept_alive(
    own_web_node: WebNode, number: signal.Signals
) -> None:
    assert own_web_node.http.get("/ping").status_code == 200
    with socket.create_connection(("127.0.0.1", own_web_node.port)):
        assert own_web_node.stop(number) == 0
    assert "Traceback" not in own_web_node.log.read_text()


def test_a_kept_connection_is_told_that_it_ends_before_it_does(own_web_node: WebNode) -> None:
    with own_web_node.client() as client:
        assert "connection" not in client.get("/ping").headers
        own_web_node.process.send_signal(signal.SIGTERM)
        # Whatever is sent on it is answered; nothing is sent after an answer that says so.
        wait_until(lambda: client.get("/ping").raise_for_status().headers.get("connection"))
    assert own_web_node.process.wait(30) == 0


def test_it_ends_although_calls_wait_for_a_node_that_does_not_answer(
    own_web_node: WebNode,
) -> None:
    async def silence(peer: Peer) -> None:
        await peer.until_closed()

    with (
        serving_in_thread(silence) as server,
        own_web_node.sign_in() as client,
        ThreadPoolExecutor() as threads,
    ):
        own_web_node.declare(f"{server.url}/")
        service = {"runtimeType": "Python", "code": "x = 1"}
        assert client.post("/services/a/v1", json=service).status_code == 201
        calls = [threads.submit(client.post, path, json={}) for path in ("/sessions", "/api/a/v1")]
        wait_until(lambda: server.n_connections == 2)
        assert own_web_node.stop() == 0
        for call in calls:
            answer = call.result()
            assert answer.status_code == 503
            assert "stopping" in answer.json()["message"]
            assert "Retry-After" not in answer.headers  # the calls may have run


def test_it_starts_again_on_the_same_port_and_data(own_web_node: WebNode) -> None:
    with own_web_node.sign_in() as client:
        assert client.get("/snapshots").json() == []
    own_web_node.process.send_signal(signal.SIGTERM)
    assert own_web_node.process.wait(60) == 0
    own_web_node.start()
    with own_web_node.sign_in() as client:
        assert client.get("/snapshots").status_code == 200


def test_a_node_that_is_killed_leaves_its_data_usable(own_web_node: WebNode) -> None:
    own_web_node.process.kill()
    own_web_node.process.wait(60)
    own_web_node.start()
    with own_web_node.sign_in() as client:
        assert client.get("/sessions").json() == []
