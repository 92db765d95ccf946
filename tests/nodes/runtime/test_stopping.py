"""How a node ends over HTTP: no request is lost, and what runs is finished."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import RunningNode, running_node, wait_until

WAITING = """
import time, pathlib
pathlib.Path({runs!r}).touch()
while not pathlib.Path({go!r}).exists():
    time.sleep(0.01)
y = 1
"""


class Run:
    """A call that runs on the node until it may end."""

    def __init__(self, node: RunningNode, directory: Path) -> None:
        self._runs, self._go = directory / "runs", directory / "go"
        code = WAITING.format(runs=str(self._runs), go=str(self._go))
        self.bundle = node.publish(code, outputs=[("y", "integer")])
        self.connection = connected(node)
        self.connection.sendall(request(node, "POST", f"/v1/bundles/{self.bundle.id}/score"))
        wait_until(self._runs.exists)

    def end(self) -> None:
        self._go.touch()


_sockets: list[socket.socket] = []


@pytest.fixture(autouse=True)
def closed_sockets() -> Iterator[None]:
    """Whatever a test has opened is closed after it."""
    yield
    while _sockets:
        _sockets.pop().close()


def connected(node: RunningNode) -> socket.socket:
    _sockets.append(socket.create_connection(("127.0.0.1", node.port), timeout=60))
    return _sockets[-1]


def request(node: RunningNode, method: str, path: str, body: bytes = b"{}") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {node.cluster_key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answers(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of the next answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        assert chunk, "closed"
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    environment = {"MLOPS_RSCRIPT": NO_R, "MLOPS_STOP_SECONDS": "30"}
    with running_node(tmp_path / "node", **environment) as running:
        yield running


def stop(node: RunningNode) -> None:
    """Told to, and returned once it has begun to."""
    node.process.send_signal(signal.SIGTERM)
    # On a kept connection even this may be answered that the node stops.
    wait_until(lambda: node.http.get("/v1/health").json().get("isStopping"))


def test_what_runs_is_finished_and_the_answer_says_that_it_was_the_last(
    node: RunningNode, tmp_path: Path
) -> None:
    run = Run(node, tmp_path)
    stop(node)
    run.end()
    status, headers, body = answers(run.connection)
    assert (status, body["outputParameters"]) == (200, {"y": 1})
    assert headers["connection"] == "close"
    assert node.process.wait(60) == 0


def test_a_kept_connection_is_told_so_that_a_request_on_its_way_has_its_answer(
    node: RunningNode, tmp_path: Path
) -> None:
    kept = connected(node)
    kept.sendall(request(node, "GET", "/v1/health", b""))
    assert answers(kept)[0] == 200
    run = Run(node, tmp_path)
    stop(node)
    # As if it had been sent before the word arrived.
    kept.sendall(request(node, "POST", f"/v1/bundles/{run.bundle.id}/score"))
    status, headers, body = answers(kept)
    assert (status, body["code"], headers["connection"]) == (503, "stopping", "close")
    kept.settimeout(0.3)
    with pytest.raises(TimeoutError):
        kept.recv(1)  # it was not run, nor is it answered twice
    run.end()
    assert node.process.wait(60) == 0


def test_new_connections_are_answered_that_it_stops(node: RunningNode, tmp_path: Path) -> None:
    run = Run(node, tmp_path)
    waiting = connected(node)  # has not asked anything yet
    stop(node)
    for connection in (waiting, connected(node)):
        connection.sendall(request(node, "POST", f"/v1/bundles/{run.bundle.id}/score"))
        status, headers, body = answers(connection)
        assert (status, body["code"], headers["connection"]) == (503, "stopping", "close")
    with node.client() as client:
        assert client.post("/v1/sessions", json={}).json()["code"] == "stopping"
    run.end()
    assert node.process.wait(60) == 0


def test_what_it_has_to_do_is_reported(node: RunningNode, tmp_path: Path) -> None:
    before = node.http.get("/v1/health").json()
    assert (before["isStopping"], before["load"]) == (False, {"running": 0, "queued": 0})
    assert before["capacity"] >= 1
    run = Run(node, tmp_path)
    report = node.http.get("/v1/health").json()
    assert report["load"] == {"running": 1, "queued": 0}
    assert (report["loaded"], report["nLoaded"]) == ([run.bundle.id], 1)
    assert report["memory"]["nodeBytes"] > 10 * 2**20
    run.end()


def test_in_a_hurry_it_breaks_off_what_runs_and_says_that_it_may_have_run(
    node: RunningNode, tmp_path: Path
) -> None:
    run = Run(node, tmp_path)
    stop(node)
    node.process.send_signal(signal.SIGTERM)
    status, _, body = answers(run.connection)
    assert (status, body["code"]) == (500, "cut-off")
    assert node.process.wait(60) == 0


def test_what_takes_longer_than_it_may_is_broken_off(tmp_path: Path) -> None:
    environment = {"MLOPS_RSCRIPT": NO_R, "MLOPS_STOP_SECONDS": "1"}
    with running_node(tmp_path / "node", **environment) as node:
        run = Run(node, tmp_path)
        node.process.send_signal(signal.SIGTERM)
        assert answers(run.connection)[2]["code"] == "cut-off"
        assert node.process.wait(60) == 0


def test_what_runs_can_be_ended_while_it_stops(node: RunningNode, tmp_path: Path) -> None:
    session = "6f1a3c80-0000-4000-8000-000000000001"
    body = {"id": session, "runtime": "Python"}
    assert node.http.post("/v1/sessions", json=body).status_code == 201
    run = Run(node, tmp_path)
    stop(node)
    with node.client() as client:
        assert client.post(f"/v1/sessions/{session}/cancel").status_code == 200
        assert client.delete(f"/v1/sessions/{session}").status_code == 200
    run.end()
    assert node.process.wait(60) == 0
