"""Code of a session is interrupted as Ctrl-C in a terminal would, and the session lives on."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode, processes_below, running_node, wait_until

CANCELLED = "The execution was cancelled."


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that lets a call run for two seconds."""
    directory = tmp_path_factory.mktemp("impatient")
    with running_node(directory, MLOPS_RSCRIPT=NO_R, MLOPS_RUN_SECONDS="2") as running:
        yield running


def test_a_session_that_prints_is_watched_live_cancelled_and_used_again(
    shared: OpenSession,
) -> None:
    running = shared.start(
        "import time\nn = 0\nwhile True:\n    print(n)\n    n += 1\n    time.sleep(0.05)",
        until="3\n",
    )
    assert shared.console().startswith("0\n1\n2\n3\n")
    shared.cancel()
    result = running.result()
    assert (result["success"], result["errorMessage"]) == (False, CANCELLED)
    assert result["consoleOutput"].startswith("0\n1\n2\n3\n")
    assert result["consoleOutput"].endswith("KeyboardInterrupt\n")
    assert "interrupts.py" not in result["consoleOutput"]  # only lines of the user's
    assert shared.run("more = n + 1", outputs=["more"])["more"] > 3


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(600)",
        "import numpy as np\na = np.ones((300, 300))\nwhile True: a = a @ a / 300",
        "import threading\nthreading.Event().wait()",
        "import subprocess\nsubprocess.run(['sleep', '600'])",
        "import subprocess\nsubprocess.run('sleep 600; true', shell=True)",
        "import os\nwhile True: os.system('sleep 600')",
        "import asyncio\nasyncio.run(asyncio.sleep(600))",
        "class Slow:\n    def __repr__(self):\n        while True: pass\nSlow()",
    ],
)
def test_whatever_runs_is_interrupted(shared: OpenSession, code: str) -> None:
    home = Path(shared.run("import os\nhome = os.getcwd()", outputs=["home"])["home"]).parent
    running = shared.start("print('begun')\n" + code)
    shared.cancel()
    assert running.result()["errorMessage"] == CANCELLED
    assert shared.printed("print('alive')") == "alive\n"
    wait_until(lambda: len(processes_below(home)) == 1)  # the shell itself


def test_an_output_that_takes_for_ever_is_interrupted_too(shared: OpenSession) -> None:
    code = (
        "class Slow(list):\n    def __iter__(self):\n        print('begun')\n"
        "        while True: pass\nx = Slow()"
    )
    running = shared.start(code, outputs=["x"])
    shared.cancel()
    assert running.result()["errorMessage"] == CANCELLED
    shared.run("del x")


def test_code_may_catch_the_interrupt_and_come_to_its_own_end(shared: OpenSession) -> None:
    running = shared.start(
        "try:\n    print('begun')\n    while True: pass\n"
        "except KeyboardInterrupt:\n    print('caught')"
    )
    shared.cancel()
    result = running.result()
    assert (result["success"], result["consoleOutput"]) == (True, "begun\ncaught\n")


def test_code_that_goes_on_after_an_interrupt_can_be_interrupted_again(
    shared: OpenSession,
) -> None:
    running = shared.start(
        "try:\n    print('begun')\n    while True: pass\n"
        "except KeyboardInterrupt:\n    print('caught')\n    while True: pass"
    )
    shared.cancel()
    wait_until(lambda: "caught" in shared.console())
    shared.cancel()
    assert running.result()["errorMessage"] == CANCELLED


def test_a_handler_that_code_leaves_behind_does_not_keep_the_next_block(
    shared: OpenSession,
) -> None:
    shared.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)")
    running = shared.start("print('begun')\nwhile True: pass")
    shared.cancel()
    assert running.result()["errorMessage"] == CANCELLED


def test_cancelling_an_idle_session_has_no_effect(shared: OpenSession) -> None:
    shared.run("x = 1")
    for _ in range(3):
        shared.cancel()
    assert shared.run("import time\ntime.sleep(0.1)", outputs=["x"]) == {"x": 1}
    unknown = shared.node.http.post("/v1/sessions/none/cancel")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "session-unknown")


def test_an_interrupt_never_hits_what_it_was_not_meant_for(shared: OpenSession) -> None:
    ended = threading.Event()

    def cancel_again_and_again() -> None:
        with shared.node.client() as client:
            while not ended.is_set():
                assert client.post(f"{shared.path}/cancel").status_code == 200

    cancelling = shared.threads.submit(cancel_again_and_again)
    for number in range(30):
        result = shared.execute(f"import os\nx = {number}\nos.stat('.')", outputs=["x"])
        assert result["errorMessage"] in ("", CANCELLED)
        if result["success"]:
            assert result["outputParameters"] == [{"name": "x", "value": number}]
        assert shared.put("y", number).status_code == 200
        assert shared.value("y") == number
    ended.set()
    cancelling.result()
    assert shared.run("x = 'untouched'", outputs=["x"]) == {"x": "untouched"}


def test_only_the_running_block_is_cancelled_and_the_waiting_one_follows(
    shared: OpenSession,
) -> None:
    running = shared.start("print('begun')\nwhile True: pass")
    waiting = shared.threads.submit(shared.execute, "print('next')")
    shared.cancel()
    assert running.result()["errorMessage"] == CANCELLED
    assert waiting.result()["consoleOutput"] == "next\n"


def test_a_caller_that_hangs_up_interrupts_the_code_and_keeps_the_session(
    shared: OpenSession,
) -> None:
    code = (
        "try:\n    print('begun')\n    while True: pass\n"
        "except KeyboardInterrupt:\n    seen = 'interrupt'"
    )
    body = json.dumps({"code": code, "inputs": [], "outputs": []}).encode()
    head = (
        f"POST {shared.path}/execute HTTP/1.1\r\nHost: node\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {shared.node.cluster_key}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.node.port)) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: "begun" in shared.console())
    assert shared.run("", outputs=["seen"]) == {"seen": "interrupt"}


def test_code_is_interrupted_at_the_run_limit_and_the_session_lives_on(
    impatient: RunningNode,
) -> None:
    with open_session(impatient) as session:
        result = session.execute("print('begun')\nx = 1\nwhile True: pass")
        assert result["success"] is False
        assert "stopped after 2 seconds" in result["errorMessage"]
        assert result["consoleOutput"].startswith("begun\n")
        assert session.run("", outputs=["x"]) == {"x": 1}


def test_code_that_does_not_heed_the_run_limit_loses_the_session(impatient: RunningNode) -> None:
    with open_session(impatient) as session:
        answer = session.post(
            "import time\nwhile True:\n    try: time.sleep(1)\n    except KeyboardInterrupt: pass"
        )
        assert (answer.status_code, answer.json()["code"]) == (500, "session-failed")
        assert "stopped after 2 seconds" in answer.json()["message"]
        assert session.post("1").json()["code"] == "session-unknown"
