"""Wrong answers are found by a real wrk, whatever is wrong with them."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks.load import ECHO, Call, Load, measure

N_REQUESTS = 20
Answer = Callable[[list[float]], object]


class Doubling(ThreadingHTTPServer):
    """Answers with a list; `answer` makes it of the numbers sent."""

    daemon_threads = True
    answer: Answer

    def handle_error(self, *_: object) -> None:
        """Nothing: wrk leaves its connections without a word."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Doubling

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.server.answer(sent)).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Doubling]:
    with Doubling(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def call(server: Doubling, tmp_path_factory: pytest.TempPathFactory) -> Call:
    folder: Path = tmp_path_factory.mktemp("rows")
    rows = [[float(i), float(i) + 0.5] for i in range(N_REQUESTS)]
    bodies, expected = folder / "bodies", folder / "expected"
    bodies.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    expected.write_text("".join(f"{2 * a!r} {2 * b!r}\n" for a, b in rows))
    return Call(
        url=f"http://127.0.0.1:{server.server_port}/",
        headers={},
        bodies=bodies,
        expected=expected,
        pattern=r"^%[([^%]]*)%]$",
    )


def doubled(sent: list[float]) -> list[float]:
    return [2 * number for number in sent]


def seen(server: Doubling, call: Call, answer: Answer, *, is_exact: bool = False) -> Load:
    server.answer = answer
    return measure(call, clients=4, seconds=1, is_exact=is_exact)


@pytest.mark.parametrize("is_exact", [False, True])
def test_right_answers_are_counted(server: Doubling, call: Call, is_exact: bool) -> None:
    load = seen(server, call, doubled, is_exact=is_exact)
    assert load.right > N_REQUESTS
    assert (load.errors, load.example) == (0, "")
    assert 0 < load.p50 <= load.p95 <= load.p99


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda sent: [2 * sent[0], 2 * sent[1] + 0.001], id="one number differs"),
        pytest.param(lambda sent: doubled(sent)[:1], id="a row is missing"),
        pytest.param(lambda sent: {"error": "tired"}, id="no predictions"),
    ],
)
def test_an_answer_that_is_no_prediction_is_an_error(
    server: Doubling, call: Call, answer: Answer
) -> None:
    load = seen(server, call, answer)
    assert load.right == 0
    assert load.errors > 0
    assert load.example.startswith("200 ")


def test_an_answer_to_the_request_of_another_is_an_error(server: Doubling, call: Call) -> None:
    """Right predictions, but always those of one and the same row."""
    load = seen(server, call, lambda _: [2.0, 3.0], is_exact=True)
    assert load.errors > load.right


def test_an_echo_has_to_be_a_body_that_was_sent(server: Doubling, call: Call) -> None:
    load = seen(
        server,
        replace(call, expected=ECHO, pattern=".+"),
        lambda sent: sent if sent[0] else doubled(sent),
    )
    assert load.right > load.errors > 0
    assert load.example == "200 [0.0, 1.0]"
