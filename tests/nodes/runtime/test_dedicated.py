"""Dedicated pools on a node: warm before the first call, bounded, private, and there again."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from nodes.runtime.bundles import BundleStore
from nodes.runtime.config import NodeConfig
from nodes.runtime.dedicated import PoolSize
from nodes.runtime.definitions import DedicatedPools
from nodes.runtime.errors import BundleUnknown
from nodes.runtime.starting import RStarter
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import (
    Published,
    RunningNode,
    manifest,
    processes_below,
    running_node,
    start_node,
    wait_until,
)
from tests.nodes.runtime.starters import starter_of

PID = [("pid", "integer")]
ENVIRONMENT = {
    "MLOPS_RSCRIPT": NO_R,
    "MLOPS_POOL_MAX_SIZE": "2",
    "MLOPS_QUEUE_LENGTH": "2",
    "MLOPS_QUEUE_SECONDS": "120",
    "MLOPS_SHELL_MAX_PROCESSES": "24",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Two shells in the generic pool at most; two calls may wait, each for long."""
    with running_node(tmp_path_factory.mktemp("node"), **ENVIRONMENT) as running:
        yield running


class Service:
    """A bundle that writes a line to `loads` whenever a shell loads it."""

    def __init__(
        self, node: RunningNode, directory: Path, *, init: str = "", code: str = ""
    ) -> None:
        self.node = node
        self.log = directory / "loads"
        self.gate = directory / "gate"  # calls wait until it is there
        note = f"import os\nopen({str(self.log)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        wait = (
            "import os, time\nprint('running')\n"
            f"while not os.path.exists({str(self.gate)!r}): time.sleep(0.05)\n"
        )
        parts: dict[str, Any] = {"init_code": note + init, "outputs": PID, "pool": 7}
        self.published: Published = node.publish(code or f"{wait}pid = os.getpid()", **parts)
        self.path = f"/v1/bundles/{self.published.id}/pool"

    def put(self, initial: int, most: int) -> dict[str, Any]:
        answer = self.node.http.put(self.path, json={"initialSize": initial, "maxSize": most})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def delete(self) -> None:
        assert self.node.http.delete(self.path).status_code == 200

    def report(self) -> dict[str, Any]:
        body: dict[str, Any] = self.node.http.get(self.path).json()
        return body

    def is_ready(self) -> bool:
        return bool(self.report()["status"] == "Success")

    def loads(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []

    def open(self) -> None:
        self.gate.touch()

    def call(self) -> httpx.Response:
        with self.node.client() as client:
            return self.published.post(client=client)

    def pid(self) -> int:
        answer = self.call()
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"], answer.text
        return int(answer.json()["outputParameters"]["pid"])


@pytest.fixture
def service(node: RunningNode, tmp_path: Path) -> Iterator[Service]:
    service = Service(node, tmp_path)
    yield service
    service.open()
    service.delete()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_the_first_shells_have_run_the_init_code_before_anybody_calls(service: Service) -> None:
    assert service.put(2, 3)["status"] == "Pending"
    wait_until(service.is_ready)
    loaded = service.loads()
    assert len(set(loaded)) == 2
    service.open()
    assert service.pid() in loaded
    assert service.loads() == loaded
    report = service.report()
    assert report["bundle"] == service.published.id
    assert (report["initialSize"], report["maxSize"]) == (2, 3)
    assert (report["currentPoolSize"], report["activeShellCount"]) == (2, 0)
    assert report in service.node.http.get("/v1/health").json()["pools"]
    assert service.node.http.get("/v1/pools").json() == {"pools": [report], "receiving": []}


def test_it_grows_to_its_maximum_and_refuses_the_rest_without_borrowing(
    service: Service, callers: ThreadPoolExecutor
) -> None:
    assert service.put(0, 2)["status"] == "Success"
    assert service.loads() == []
    calls = [callers.submit(service.call) for _ in range(2)]
    wait_until(lambda: service.report()["activeShellCount"] == 2)
    calls += [callers.submit(service.call) for _ in range(3)]  # of these two find room to wait
    wait_until(lambda: any(call.done() for call in calls))
    (refused,) = (call.result() for call in calls if call.done())
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert service.node.health()["activeShellCount"] == 0
    assert service.node.health()["canOpenShell"] is True
    service.open()
    answers = [call.result() for call in calls]
    pids = {each.json()["outputParameters"]["pid"] for each in answers if each is not refused}
    assert pids == set(service.loads())
    assert len(pids) == 2
    assert service.report()["currentPoolSize"] == 2  # what has grown stays


def test_others_find_no_shell_in_it(service: Service, callers: ThreadPoolExecutor) -> None:
    service.put(1, 1)
    wait_until(service.is_ready)
    other = service.node.publish("import os\npid = os.getpid()", outputs=PID)
    assert other.outputs()["pid"] not in service.loads()
    running = callers.submit(service.call)
    wait_until(lambda: service.report()["activeShellCount"] == 1)
    assert other.outputs()["pid"] not in service.loads()
    service.open()
    assert running.result().status_code == 200


def test_calls_wait_for_the_first_shells(service: Service) -> None:
    service.open()
    service.put(1, 1)
    assert service.pid() in service.loads()


def test_a_bundle_that_is_to_have_a_pool_does_not_run_without(service: Service) -> None:
    answer = service.call()
    assert (answer.status_code, answer.json()["code"]) == (503, "pool-missing")
    assert answer.headers["retry-after"] == "1"
    assert service.report()["status"] == "NotFound"
    assert service.loads() == []


def test_shells_that_are_killed_are_replaced(service: Service) -> None:
    service.open()
    service.put(2, 2)
    wait_until(service.is_ready)
    for pid in (first := service.loads()):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(service.loads()) == 4 and service.report()["currentPoolSize"] == 2)
    assert service.pid() in set(service.loads()) - set(first)


def test_resizing_lets_busy_shells_finish(service: Service, callers: ThreadPoolExecutor) -> None:
    service.put(2, 2)
    wait_until(service.is_ready)
    running: list[Future[int]] = [callers.submit(service.pid) for _ in range(2)]
    wait_until(lambda: service.report()["activeShellCount"] == 2)
    service.put(1, 1)
    service.open()
    assert {call.result() for call in running} == set(service.loads())
    wait_until(lambda: service.report()["currentPoolSize"] == 1)
    assert service.put(3, 4)["status"] == "Pending"
    wait_until(service.is_ready)
    assert service.report()["currentPoolSize"] == 3
    service.put(0, 1)
    assert service.report()["currentPoolSize"] == 1


def test_deleting_lets_busy_shells_finish_and_sends_waiting_calls_away(
    service: Service, callers: ThreadPoolExecutor
) -> None:
    service.put(1, 1)
    wait_until(service.is_ready)
    running = callers.submit(service.pid)
    wait_until(lambda: service.report()["activeShellCount"] == 1)
    waiting = callers.submit(service.call)
    service.delete()
    assert service.report()["status"] == "NotFound"
    assert service.report()["maxSize"] == 0
    # It may have come only after the end of the pool: that reads the same.
    assert waiting.result().json()["code"] == "pool-missing"
    service.open()
    (pid,) = service.loads()
    assert running.result() == pid
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_bundle_that_cannot_be_loaded_keeps_the_pool_pending_with_the_reason(
    node: RunningNode, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    broken = Service(
        node, tmp_path, init=f"print('hint')\nassert os.path.exists({str(mended)!r}), 'no model'\n"
    )
    broken.open()
    broken.put(1, 2)
    wait_until(lambda: "no model" in broken.report()["reason"])
    assert broken.report()["status"] == "Pending"
    result = broken.call().json()
    assert result["success"] is False
    assert "no model" in result["errorMessage"]
    assert "hint" in result["consoleOutput"]
    mended.touch()
    wait_until(broken.is_ready)
    assert broken.report()["reason"] == ""
    assert broken.pid() == broken.loads()[-1]
    broken.delete()


def test_loading_is_contained_as_calls_are(node: RunningNode, tmp_path: Path) -> None:
    bomb = "import subprocess, time\nfor _ in range(60): subprocess.Popen(['sleep', '60'])\n"
    service = Service(node, tmp_path, init=f"{bomb}time.sleep(60)\n")
    service.put(0, 1)
    assert "more than 24 processes" in service.call().json()["errorMessage"]
    assert service.report()["status"] == "Pending"
    service.delete()


@pytest.mark.parametrize(
    "size",
    [
        *(b"{}", b"[]", b"{", b'{"initialSize":2,"maxSize":1}', b'{"initialSize":0,"maxSize":0}'),
        *(b'{"initialSize":-1,"maxSize":1}', b'{"initialSize":true,"maxSize":1}'),
        *(
            b'{"initialSize":0,"maxSize":1001}',
            b'{"initialSize":1%b,"maxSize":1%b}' % ((30 * b"0",) * 2),
        ),
    ],
)
def test_sizes_that_cannot_be_right_are_refused(service: Service, size: bytes) -> None:
    service.put(0, 2)
    answer = service.node.http.put(service.path, content=size)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert service.report()["maxSize"] == 2


def test_a_bundle_that_the_node_lacks_gets_no_pool(node: RunningNode) -> None:
    path = f"/v1/bundles/{'0' * 64}/pool"
    answer = node.http.put(path, json={"initialSize": 0, "maxSize": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "bundle-unknown")
    assert node.http.get(path).json()["status"] == "NotFound"


def test_pools_are_there_again_after_a_kill_and_after_a_restart(tmp_path: Path) -> None:
    with running_node(tmp_path, **ENVIRONMENT) as node:
        service = Service(node, tmp_path)
        service.open()
        service.put(1, 3)
        wait_until(service.is_ready)
        node.process.kill()
        node.process.wait()
    for n_loads in (2, 3):
        wait_until(lambda: processes_below(node.work_root) == [])
        service.node = start_node(tmp_path, port=node.port, environment=ENVIRONMENT)
        try:
            wait_until(service.is_ready)
            assert len(service.loads()) == n_loads
            assert (service.report()["initialSize"], service.report()["maxSize"]) == (1, 3)
            assert service.pid() == service.loads()[-1]
        finally:
            assert service.node.stop() == 0
        assert processes_below(node.work_root) == []


def test_a_bundle_with_a_pool_is_not_trimmed(tmp_path: Path) -> None:
    # R that is not installed starts no shells: only what is kept counts here.
    config = NodeConfig(cluster_key="", data_dir=tmp_path, python="python3", rscript=NO_R)
    starter = starter_of(RStarter, config, tmp_path)

    def opened() -> tuple[BundleStore, DedicatedPools]:
        bundles = BundleStore(
            config.bundles_dir,
            max_bytes=1,
            extracted_max_bytes=1,
            in_use=lambda: pools.bundles_in_use(),
        )
        pools = DedicatedPools({"R": starter}, bundles, config)
        bundles.open()
        pools.open()
        return bundles, pools

    async def main() -> None:
        bundles, pools = opened()
        kept = await put(bundles, "x <- 1")
        await pools.put(kept, PoolSize(1, 2))
        trimmed = await put(bundles, "x <- 2")
        await put(bundles, "x <- 3")
        assert bundles.get(kept).id == kept
        with pytest.raises(BundleUnknown):
            bundles.get(trimmed)
        bundles, pools = opened()  # as after a restart
        await put(bundles, "x <- 4")
        report = pools.report(kept)
        assert (report["status"], report["maxSize"]) == ("Pending", 2)
        assert "R is not installed" in report["reason"]
        await pools.delete(kept)
        await put(bundles, "x <- 5")
        with pytest.raises(BundleUnknown):
            bundles.get(kept)
        assert list(config.pools_dir.iterdir()) == []

    asyncio.run(main())


async def put(bundles: BundleStore, code: str) -> str:
    text = manifest(code, runtime="R")
    bundle_id = hashlib.sha256(text).hexdigest()

    async def body() -> AsyncIterator[bytes]:
        yield len(text).to_bytes(4) + text

    await bundles.put(bundle_id, body())
    return bundle_id
