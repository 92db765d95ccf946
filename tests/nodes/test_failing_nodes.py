"""Real compute nodes that are restarted, stopped and frozen under load."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from mlops.errors import Busy, MlopsError, NodeFailure
from nodes import registry as registry_module
from nodes.compute_node import ComputeNode, close_connections
from nodes.picture import Picture
from nodes.registry import Registry, dispatch
from nodes.runtime.multiplex import CALL_BYTES
from nodes.watching import start_watching
from tests.nodes.runtime.running import RunningNode, start_node, wait_until

SMALL = json.dumps({"x": 1}).encode()
LARGE = json.dumps({"x": 1, "padding": "x" * CALL_BYTES}).encode()  # goes over HTTP
CODE = "import time\ntime.sleep(x / 50)\ny = x"
PARTS: dict[str, Any] = {"inputs": [("x", "numeric")], "outputs": [("y", "numeric")]}
# Threads of the process may have a connection from earlier on, which is looked at.
pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ENVIRONMENT = {"MLOPS_RSCRIPT": "/nonexistent/Rscript", "MLOPS_STOP_SECONDS": "120"}


class Cluster:
    """Nodes that hold the same bundle."""

    def __init__(self, directory: Path, n_nodes: int) -> None:
        self._directory = directory
        self.nodes = [self._start(number) for number in range(n_nodes)]
        [self.bundle_id] = {node.publish(CODE, **PARTS).id for node in self.nodes}

    def _start(self, number: int, port: int = 0) -> RunningNode:
        return start_node(
            self._directory / str(number),
            cluster_key=settings.CLUSTER_KEY,
            port=port,
            environment=ENVIRONMENT,
        )

    def restart(self, number: int) -> None:
        """Ends one by SIGTERM and starts it again, until it answers."""
        port = self.nodes[number].port
        assert self.nodes[number].stop() == 0
        self.nodes[number] = self._start(number, port)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"{node.address}/" for node in self.nodes)

    def stop(self) -> None:
        for node in self.nodes:
            node.process.send_signal(signal.SIGCONT)
            node.stop()


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """As many nodes as the test's parameter says, which are all that the process knows."""
    made = Cluster(tmp_path, request.param)
    picture = Picture(made.addresses, {})
    registry = Registry(load=lambda: picture, watch=start_watching)
    monkeypatch.setattr(registry_module, "registry", registry)
    yield made
    made.stop()


async def score(bundle_id: str, body: bytes) -> str:
    """The address of the node that answered."""

    async def call(node: ComputeNode) -> str:
        answer = await node.score(bundle_id, body)
        assert json.loads(answer.body)["success"]
        return node.address

    return await dispatch(call, bundle_id=bundle_id)


class Load:
    """Callers that call one after the other without end."""

    def __init__(self, bundle_id: str, bodies: list[bytes]) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: list[MlopsError] = []
        self._is_over = False
        self._callers = [
            asyncio.create_task(self._call(bundle_id, body)) for body in bodies for _ in range(4)
        ]

    async def _call(self, bundle_id: str, body: bytes) -> None:
        while not self._is_over:
            try:
                self.answers[await score(bundle_id, body)] += 1
            except MlopsError as error:
                self.errors.append(error)

    async def end(self) -> None:
        self._is_over = True
        await asyncio.gather(*self._callers)


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def closing() -> None:
        try:
            await main()
        finally:
            await close_connections()

    asyncio.run(closing())


@pytest.mark.parametrize("cluster", [3], indirect=True)
def test_nodes_are_restarted_one_by_one_under_load_and_no_call_fails(cluster: Cluster) -> None:
    async def main() -> None:
        load = Load(cluster.bundle_id, [SMALL, LARGE])
        await until(lambda: sum(load.answers.values()) > 100)
        for number in range(3):
            await asyncio.to_thread(cluster.restart, number)
        load.answers.clear()
        await until(lambda: set(load.answers) == set(cluster.addresses))  # all are used again
        await load.end()
        assert load.errors == []

    run(main)


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_frozen_node_is_not_called_after_moments_and_used_again_when_it_goes_on(
    cluster: Cluster,
) -> None:
    async def main() -> None:
        frozen, well = cluster.nodes
        load = Load(cluster.bundle_id, [SMALL, SMALL, LARGE, LARGE])
        await until(lambda: len(load.answers) == 2)
        frozen.process.send_signal(signal.SIGSTOP)
        registry = registry_module.registry
        await until(lambda: not registry._breakers.ready([f"{frozen.address}/"]))
        later = [score(cluster.bundle_id, body) for body in [SMALL, LARGE] * 4]
        async with asyncio.timeout(10):
            assert set(await asyncio.gather(*later)) == {f"{well.address}/"}
        load.answers.clear()
        frozen.process.send_signal(signal.SIGCONT)
        # What had been sent to it before waits for it, and ends well.
        await until(lambda: load.answers[f"{frozen.address}/"])
        await load.end()
        assert load.errors == []

    run(main)


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_killed_node_fails_the_calls_it_had_and_they_are_not_run_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    code = f"with open({str(runs)!r}, 'a') as file: file.write('run ')\nimport time\ntime.sleep(60)"
    [bundle_id] = {node.publish(code).id for node in cluster.nodes}

    async def main() -> None:
        for node in cluster.nodes:  # the shells open the connections
            await ComputeNode(node.address).score(cluster.bundle_id, SMALL)
        call = asyncio.create_task(score(bundle_id, b"{}"))
        await until(runs.exists)
        busy = [node for node in cluster.nodes if node.health()["activeShellCount"]]
        busy[0].process.kill()
        with pytest.raises(NodeFailure):
            await call
        assert runs.read_text() == "run "

    run(main)


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_call_that_outlasts_the_end_of_its_node_fails_and_is_not_run_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    code = f"with open({str(runs)!r}, 'a') as file: file.write('run ')\nimport time\ntime.sleep(60)"
    [bundle_id] = {node.publish(code).id for node in cluster.nodes}

    async def main() -> None:
        call = asyncio.create_task(score(bundle_id, b"{}"))
        await until(runs.exists)
        [busy] = [node for node in cluster.nodes if node.health()["activeShellCount"]]
        busy.process.send_signal(signal.SIGTERM)
        await until(lambda: is_stopping(busy))
        busy.process.send_signal(signal.SIGTERM)  # it is in a hurry
        with pytest.raises(NodeFailure, match="stopped before the call had ended"):
            await call
        assert runs.read_text() == "run "

    run(main)


def is_stopping(node: RunningNode) -> bool:
    with node.client() as client:
        return bool(client.get("/v1/health").json()["isStopping"])


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_without_another_node_calls_are_refused_as_long_as_the_node_stops(
    cluster: Cluster, tmp_path: Path
) -> None:
    runs, go = tmp_path / "runs", tmp_path / "go"
    code = (
        f"import pathlib, time\npathlib.Path({str(runs)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    )
    [node] = cluster.nodes
    bundle_id = node.publish(code).id

    async def main() -> None:
        call = asyncio.create_task(score(bundle_id, b"{}"))
        await until(runs.exists)
        node.process.send_signal(signal.SIGTERM)
        await until(lambda: is_stopping(node))
        with pytest.raises(Busy, match="stopping"):
            await score(cluster.bundle_id, SMALL)
        go.touch()
        assert await call == f"{node.address}/"
        wait_until(lambda: node.process.poll() == 0)

    run(main)
