"""Small scoring calls over one connection: the compute node's side."""

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.runtime.multiplex import (
    ANSWER,
    BYE,
    CALL,
    HEAD,
    PIECE,
    PIECE_BYTES,
    PREFACE,
    Frame,
    FrameReader,
    call_frame,
    cancel_frame,
)
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import (
    CLUSTER_KEY,
    Published,
    RunningNode,
    running_node,
    start_node,
    wait_until,
)

OPENING = b"%b %b\r\n" % (PREFACE, CLUSTER_KEY.encode())
AGREED = PREFACE + b"\r\n"
DOUBLE = "y = x * 2"
NUMBERS = {"inputs": [("x", "numeric")], "outputs": [("y", "numeric")]}
# Says that it runs, and goes on until it is stopped.
ENDLESS = "import time, pathlib\npathlib.Path(where).touch()\ntime.sleep(600)"

# The same until it may end.
WAITING = """
import time, pathlib
pathlib.Path({runs!r}).touch()
while not pathlib.Path({go!r}).exists():
    time.sleep(0.01)
y = 1
"""


class Client:
    """A connection as a web node has it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def call(self, number: int, bundle_id: str, body: object) -> None:
        self.send(call_frame(number, bundle_id.encode(), b"", json.dumps(body).encode()))

    def frame(self) -> Frame | None:
        """The next frame, None when the node has hung up."""
        while not self._frames:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames.extend(self._reader.feed(data))
        return self._frames.pop(0)

    def answer(self) -> tuple[int, int, bytes]:
        """Number, status and body of the next answer."""
        body = b""
        while frame := self.frame():
            kind, number, status, _, payload = frame
            body += payload
            if kind == ANSWER:
                return number, status, body
            assert kind == PIECE
        raise ConnectionResetError

    def received(self, size: int) -> bytes:
        """Bytes that are no frames."""
        data = b""
        while len(data) < size and (piece := self.socket.recv(size - len(data))):
            data += piece
        return data


@contextlib.contextmanager
def connected(node: RunningNode) -> Iterator[Client]:
    client = Client(node.port)
    with client.socket:
        client.send(OPENING)
        assert client.received(len(AGREED)) == AGREED
        yield client


@pytest.fixture
def client(node: RunningNode) -> Iterator[Client]:
    with connected(node) as client:
        yield client


@pytest.fixture(scope="module")
def double(node: RunningNode) -> Published:
    return node.publish(DOUBLE, **NUMBERS)


def endless(node: RunningNode, place: Path) -> Published:
    code = ENDLESS.replace("where", repr(str(place)))
    return node.publish(code)


def test_scoring_over_http_offers_it(double: Published) -> None:
    assert double.post({"x": 1}).headers["x-multiplex"] == "1"


def test_a_call_is_answered_as_over_http(client: Client, double: Published) -> None:
    client.call(1, double.id, {"x": 4})
    assert client.answer() == (1, 200, double.post({"x": 4}).content)


def test_many_calls_at_a_time_get_each_its_own_answer(client: Client, double: Published) -> None:
    frames = [
        call_frame(number, double.id.encode(), b"", b'{"x":%d}' % number) for number in range(200)
    ]
    client.send(b"".join(frames))
    answers = {number: (status, body) for number, status, body in _answers(client, 200)}
    for number in range(200):
        status, body = answers[number]
        assert status == 200
        assert json.loads(body)["outputParameters"] == {"y": number * 2}


def _answers(client: Client, count: int) -> Iterator[tuple[int, int, bytes]]:
    for _ in range(count):
        yield client.answer()


def test_refusals_have_the_status_and_body_of_http(client: Client, double: Published) -> None:
    client.call(1, double.id, {"x": "text"})
    over_http = double.post({"x": "text"})
    assert client.answer() == (1, over_http.status_code, over_http.content)
    client.call(2, "0" * 64, {})
    number, status, body = client.answer()
    assert (number, status, json.loads(body)["code"]) == (2, 404, "bundle-unknown")


def test_a_large_answer_comes_in_pieces(client: Client, node: RunningNode) -> None:
    code = "y = ['x' * 1000] * n"
    bundle = node.publish(code, inputs=[("n", "integer")], outputs=[("y", "vector")])
    client.call(1, bundle.id, {"n": 500})
    first = client.frame()
    assert first is not None
    assert (first[0], first[1], len(first[4])) == (PIECE, 1, PIECE_BYTES)
    _, status, rest = client.answer()
    assert status == 200
    assert len(json.loads(first[4] + rest)["outputParameters"]["y"]) == 500


def test_the_preface_may_come_in_pieces(node: RunningNode, double: Published) -> None:
    client = Client(node.port)
    with client.socket:
        client.send(OPENING[:20])
        client.send(OPENING[20:] + call_frame(1, double.id.encode(), b"", b'{"x":1}'))
        assert client.received(len(AGREED)) == AGREED
        assert client.answer()[:2] == (1, 200)


@pytest.mark.parametrize(
    "line", [PREFACE + b" another key", PREFACE, PREFACE + b" ", b"MLOPS-MULTIPLEX/2 " + b"x" * 20]
)
def test_without_the_cluster_key_nothing_is_run(
    node: RunningNode, tmp_path: Path, line: bytes
) -> None:
    bundle = endless(node, tmp_path / "has-run")
    client = Client(node.port)
    with client.socket:
        client.send(line + b"\r\n" + call_frame(1, bundle.id.encode(), b"", b"{}"))
        assert b"MLOPS" not in client.received(1000)
    assert not (tmp_path / "has-run").exists()


def test_an_endless_preface_is_not_read_to_its_end(node: RunningNode) -> None:
    client = Client(node.port)
    with client.socket:
        client.send(PREFACE + b"x" * 5000)
        assert client.received(1) == b""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEAD.pack(CALL, 1, 0, 0, 2**30), id="too large"),
        pytest.param(call_frame(1, b"\xff\xfe", b"", b""), id="no text"),
    ],
)
def test_what_makes_no_sense_ends_the_connection(client: Client, data: bytes) -> None:
    client.send(data)
    assert client.frame() is None


def test_a_second_call_of_a_number_under_way_ends_the_connection(
    client: Client, node: RunningNode, tmp_path: Path
) -> None:
    bundle = endless(node, tmp_path / "runs")
    client.call(1, bundle.id, {})
    client.call(1, bundle.id, {})
    assert client.frame() is None


def test_a_call_that_is_taken_back_is_stopped_and_others_go_on(
    client: Client, node: RunningNode, double: Published, tmp_path: Path
) -> None:
    client.call(1, endless(node, tmp_path / "runs").id, {})
    wait_until((tmp_path / "runs").exists)
    client.send(cancel_frame(1))
    client.call(2, double.id, {"x": 1})
    assert client.answer()[:2] == (2, 200)
    wait_until(lambda: node.health()["activeShellCount"] == 0)


def test_a_call_may_be_taken_back_with_the_bytes_that_brought_it(
    client: Client, node: RunningNode, double: Published, tmp_path: Path
) -> None:
    bundle = endless(node, tmp_path / "runs")
    client.send(call_frame(1, bundle.id.encode(), b"", b"{}") + cancel_frame(1))
    client.call(2, double.id, {"x": 1})
    assert client.answer()[:2] == (2, 200)
    assert not (tmp_path / "runs").exists()


def test_taking_back_what_is_not_under_way_does_nothing(client: Client, double: Published) -> None:
    client.send(cancel_frame(9))
    client.call(1, double.id, {"x": 1})
    assert client.answer()[:2] == (1, 200)


def test_when_the_web_node_is_gone_its_calls_are_stopped(node: RunningNode, tmp_path: Path) -> None:
    with connected(node) as client:
        client.call(1, endless(node, tmp_path / "runs").id, {})
        wait_until((tmp_path / "runs").exists)
    wait_until(lambda: node.health()["activeShellCount"] == 0)


def test_a_node_that_stops_answers_what_is_under_way_and_refuses_what_comes(
    tmp_path: Path,
) -> None:
    with running_node(tmp_path / "node", MLOPS_RSCRIPT="/nonexistent/Rscript") as node:
        code = WAITING.format(runs=str(tmp_path / "runs"), go=str(tmp_path / "go"))
        bundle = node.publish(code, outputs=[("y", "numeric")])
        with connected(node) as client:
            client.call(1, bundle.id, {})
            wait_until((tmp_path / "runs").exists)
            node.process.send_signal(signal.SIGTERM)
            bye = client.frame()
            assert bye is not None
            assert bye[0] == BYE
            client.call(2, bundle.id, {})
            number, status, body = client.answer()
            assert (number, status) == (2, 503)
            assert json.loads(body)["message"] == "The compute node is stopping."
            (tmp_path / "go").touch()
            assert client.answer()[:2] == (1, 200)
        assert node.process.wait(60) == 0


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "http"])
def test_an_id_makes_no_lines_of_its_own_in_the_log(tmp_path: Path, is_shared: bool) -> None:
    log = tmp_path / "log"
    node = start_node(tmp_path / "data", environment={"MLOPS_RSCRIPT": NO_R}, log=log)
    try:
        failing = node.publish("1 / 0")
        ids = [b"forged\nline", b"forged\xe2\x80\xa8line", b"forged" * 100, b"forged line"]
        if is_shared:
            with connected(node) as client:
                for number, shown in enumerate([*ids, b"proper-1"]):
                    client.send(call_frame(number, failing.id.encode(), shown, b"{}"))
                    assert client.answer()[:2] == (number, 200)
        else:
            for shown in [*ids[1:], b"forged\tline", b"proper-1"]:
                path = f"/v1/bundles/{failing.id}/score"
                headers = {b"x-correlation-id": shown}
                assert node.http.post(path, headers=headers, content=b"{}").status_code == 200
        wait_until(lambda: "Call proper-1 of" in log.read_text())
        assert "forged" not in log.read_text()
        assert log.read_text().count("ZeroDivisionError") >= 5
    finally:
        node.stop()
