"""Pools grow when it helps, never past their maximum, and queue for a bounded time."""

import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import (
    Published,
    RunningNode,
    running_node,
    shells_of,
    wait_until,
)

PID = [("pid", "integer")]
SLEEP = "import os, time\ntime.sleep(seconds)\npid = os.getpid()"
SECONDS = [("seconds", "numeric")]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Two shells at most, two calls in the queue, each for two seconds."""
    with running_node(
        tmp_path_factory.mktemp("small"),
        MLOPS_RSCRIPT=NO_R,
        MLOPS_POOL_MAX_SIZE="2",
        MLOPS_QUEUE_LENGTH="2",
        MLOPS_QUEUE_SECONDS="3",
    ) as running:
        yield running


def test_slow_calls_make_the_pool_grow_to_its_maximum(node: RunningNode) -> None:
    service = node.publish(SLEEP, inputs=SECONDS, outputs=PID)
    answers = at_once(service, 6, {"seconds": 8})
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["outputParameters"]["pid"] for answer in answers}) > 2
    assert node.health()["currentPoolSize"] <= 6


def test_a_flood_of_short_calls_does_not_fill_the_pool(node: RunningNode) -> None:
    service = node.publish("x = sum(range(20_000))")
    service.score()
    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        list(clients.map(lambda _: calls(service, 15), range(16)))
    busy = len(os.sched_getaffinity(0))
    pids = node.publish("x = sum(range(20_000))")
    assert pids.id == service.id
    assert node.health()["currentPoolSize"] <= busy + 4


def test_a_full_queue_and_a_long_wait_are_refused_as_busy(small: RunningNode) -> None:
    service = small.publish(SLEEP, inputs=SECONDS, outputs=PID)
    at_once(service, 2, {"seconds": 4})  # from here on both shells are its own
    answers = at_once(service, 6, {"seconds": 8})
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 503, 503, 503, 503]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.json()["code"] for answer in refused} == {"busy"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert service.score({"seconds": 0})["success"] is True


def test_a_long_run_of_a_version_that_is_merged_does_not_hold_its_other_calls(
    small: RunningNode,
) -> None:
    service = small.publish(
        "import os, time\nwhile os.path.exists(file[0]):\n    time.sleep(0.01)\n"
        "pid = [os.getpid()]",
        inputs=[("file", "vector")],
        outputs=[("pid", "vector")],
        row_independent=True,
    )
    held = small.data_dir / "held"
    held.touch()
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        first = other.submit(service.outputs, {"file": [str(held)]})
        wait_until(lambda: small.health()["activeShellCount"] == 1)
        second = service.outputs({"file": ["/nonexistent"]})
        assert not first.done()
        held.unlink()
        assert first.result() != second


def test_the_least_recently_used_version_makes_room_for_another(small: RunningNode) -> None:
    services = [
        small.publish(f"x = {n}\nimport os\npid = os.getpid()", outputs=PID) for n in (1, 2, 3)
    ]
    first, second, third = (service.outputs()["pid"] for service in services)
    assert len({first, second, third}) == 3
    assert services[2].outputs()["pid"] == third
    assert small.health()["currentPoolSize"] <= 2


def test_a_steady_flood_of_one_version_does_not_lock_out_another(small: RunningNode) -> None:
    flooding = small.publish("import time\ntime.sleep(0.01)")
    other = small.publish("x = 'other'", outputs=[("x", "character")])
    until = time.monotonic() + 60
    done = False

    def flood() -> None:
        with small.client() as client:
            while not done and time.monotonic() < until:
                flooding.post(client=client)

    with concurrent.futures.ThreadPoolExecutor(3) as clients:
        running = [clients.submit(flood) for _ in range(3)]
        wait_until(lambda: small.health()["activeShellCount"] == 2)
        wait_until(lambda: other.post().status_code == 200)
        done = True
    assert [task.exception() for task in running] == [None] * 3


def test_a_warm_shell_that_was_killed_is_replaced_without_anybody_noticing(
    node: RunningNode,
) -> None:
    service = node.publish("import os\npid = os.getpid()", outputs=PID)
    for _ in range(3):
        pid = service.outputs()["pid"]
        os.kill(pid, signal.SIGKILL)
        assert service.outputs()["pid"] != pid


def test_blank_shells_that_are_killed_are_replaced(node: RunningNode) -> None:
    service = node.publish("import os\npid = os.getppid()", outputs=PID)
    node_pid = service.outputs()["pid"]
    assert node_pid == node.process.pid
    for pid in shells_of(node):
        os.kill(pid, signal.SIGKILL)
    assert service.score()["success"] is True
    wait_until(lambda: node.health()["currentPoolSize"] >= 1)


def test_idle_warm_shells_are_recycled(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("idle")
    with running_node(directory, MLOPS_RSCRIPT=NO_R, MLOPS_SHELL_IDLE_SECONDS="1") as node:
        pid = node.publish("import os\npid = os.getpid()", outputs=PID).outputs()["pid"]
        wait_until(lambda: pid not in shells_of(node))


def test_a_runtime_that_is_not_installed_says_what_to_install(node: RunningNode) -> None:
    health = node.health("R")
    assert health["available"] is False
    assert "apt-get install r-base-core r-cran-jsonlite" in health["reason"]
    answer = node.publish("x <- 1", runtime="R").post()
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime-unavailable")
    assert answer.headers["retry-after"]


def test_an_interpreter_that_does_not_start_is_reported_with_its_own_words(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("broken")
    broken = directory / "Rscript"
    broken.write_text("#!/bin/sh\necho no jsonlite here\nexit 1\n")
    broken.chmod(0o755)
    with running_node(directory, MLOPS_RSCRIPT=str(broken)) as node:
        wait_until(lambda: not node.health("R")["available"])
        assert "no jsonlite here" in node.health("R")["reason"]
        wait_until(lambda: node.health()["currentPoolSize"] >= 1)
        assert node.health()["available"] is True


def test_the_health_report_has_the_figures_of_the_contract(node: RunningNode) -> None:
    report = node.http.get("/v1/health").json()
    assert report["apiVersion"] == "1.0"
    assert report["version"]
    assert report["logPath"]
    python = report["runtimes"]["Python"]
    assert python["available"] is True
    assert python["maxPoolSize"] == 6
    assert python["activeShellCount"] == 0
    assert python["canOpenShell"] is True


def at_once(service: Published, count: int, inputs: dict[str, float]) -> list[httpx.Response]:
    with concurrent.futures.ThreadPoolExecutor(count) as clients:
        return list(clients.map(lambda _: service.post(inputs), range(count)))


def calls(service: Published, count: int) -> None:
    with service.node.client() as client:
        for _ in range(count):
            assert service.post(client=client).status_code == 200
