"""Killing each program of a box under load: others are served, it returns, nothing is lost."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from mlops.onebox.demos import DEMOS
from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import wait_until

CLIENTS = 4
BEFORE = 20  # answers before something is killed, so that it happens under load
AFTER = 20  # good answers in a row that show that the service has returned
IRIS = next(demo for demo in DEMOS if demo.name == "iris")
CLEAR_ERRORS = {500, 503, 504}


class Load:
    """Clients that score again and again, and what they saw; "gone" where nobody answered."""

    def __init__(self, box: OneBox) -> None:
        self.client = box.client()  # signed in before anything is killed
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.seen: list[int | str] = []
        self.unclear: list[str] = []

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                answer = self.client.post(f"/api/{IRIS}", content=IRIS.example)
            except httpx.TransportError:
                self._saw("gone")
                self._ending.wait(0.1)  # as a client would, before it tries again
            else:
                self._saw(answer.status_code)
                if not is_clear(answer):
                    self.unclear.append(f"{answer.status_code} {answer.text}")

    def _saw(self, what: int | str) -> None:
        with self._lock:
            self.seen.append(what)

    def end(self) -> None:
        self._ending.set()

    def wait_for_answers(self) -> None:
        wait_until(lambda: self.seen.count(200) >= BEFORE)

    def wait_for_return(self) -> None:
        """Returns when the last answers were all good ones, seen after this was called."""
        already = len(self.seen)
        wait_until(lambda: len(self.seen) >= already + AFTER and set(self.seen[-AFTER:]) == {200})


def is_clear(answer: httpx.Response) -> bool:
    """A right prediction, or an error that says what was wrong."""
    body = json.loads(answer.text)
    if answer.status_code == 200:
        if not body["success"]:  # the shell that ran it was killed
            return bool(body["errorMessage"])
        return body["outputParameters"]["species"] == ["setosa", "virginica"]
    return answer.status_code in CLEAR_ERRORS and bool(body["message"])


@contextmanager
def load(box: OneBox) -> Iterator[Load]:
    load = Load(box)
    threads = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        load.wait_for_answers()
        yield load
    finally:
        load.end()
        for thread in threads:
            thread.join()
        load.client.close()


@pytest.fixture
def nothing_is_lost(one_box: OneBox) -> Iterator[None]:
    before = one_box.services()
    yield
    assert one_box.services() == before


@pytest.mark.usefixtures("nothing_is_lost")
@pytest.mark.parametrize("program", ["web node", "compute node", "worker"])
def test_a_killed_program_returns_and_meanwhile_every_answer_is_right_or_a_clear_error(
    one_box: OneBox, program: str
) -> None:
    with load(one_box) as scoring:
        one_box.kill(program)
        scoring.wait_for_return()
    assert scoring.unclear == []
    if program != "web node":
        assert "gone" not in scoring.seen
    if program == "worker":
        assert set(scoring.seen) == {200}


@pytest.mark.usefixtures("nothing_is_lost")
def test_a_killed_shell_costs_at_most_the_call_that_it_was_running(one_box: OneBox) -> None:
    with load(one_box) as scoring:
        for _ in range(3):
            for pid in one_box.shells("Python"):
                os.kill(pid, signal.SIGKILL)
            scoring.wait_for_return()
    assert scoring.unclear == []
    assert set(scoring.seen) == {200}


@pytest.mark.usefixtures("nothing_is_lost")
def test_the_worker_works_again_after_it_was_killed(one_box: OneBox) -> None:
    signs = [one_box.data_dir / "broker" / f"{name}.alive" for name in ("worker", "beat")]
    one_box.kill("worker")
    for sign in signs:
        sign.unlink(missing_ok=True)
    wait_until(lambda: all(sign.exists() for sign in signs))


@pytest.mark.usefixtures("nothing_is_lost")
def test_r_services_return_after_the_compute_node_was_killed(one_box: OneBox) -> None:
    bos = next(demo for demo in DEMOS if demo.name == "bos-rf")
    with one_box.client() as client:
        before = client.post(f"/api/{bos}", content=bos.example).json()
        one_box.kill("compute node")
        wait_until(lambda: client.post(f"/api/{bos}", content=bos.example).status_code == 200)
        assert client.post(f"/api/{bos}", content=bos.example).json() == before
