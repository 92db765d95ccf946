"""Dedicated pools on a whole box: asked for over REST, built by the worker, there after all."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import RunningNode, start_node, wait_until

NAME, VERSION = "pooled", "1.0"
DECLARE = "from nodes.actions import declare_node; declare_node(uri={uri!r})"
FORGET = "from nodes.models import NodeEntry; NodeEntry.objects.get(uri={uri!r} + '/').delete()"


class Pooled:
    """A published version that writes a line to `log` whenever a shell loads it."""

    def __init__(self, client: httpx.Client, log: Path) -> None:
        self.client = client
        self.log = log
        self.service = f"/services/{NAME}/{VERSION}"
        body = {
            "runtimeType": "Python",
            "initCode": self.init(1),
            "code": "pid = os.getpid()",
            "outputParameterDefinitions": [{"name": "pid", "type": "integer"}],
        }
        client.post(self.service, json=body).raise_for_status()

    def init(self, mark: int) -> str:
        return (
            f"import os\nmark = {mark}\nopen({str(self.log)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        )

    # The calls of the bundled clients (clients.md A3 and C4).

    def create_or_update_service_pool(self, initial: int, most: int) -> httpx.Response:
        body = {"InitialPoolSize": initial, "MaxPoolSize": most}
        return self.client.post(f"{self.service}/pool", json=body)

    def get_service_pool_status(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.client.get(f"{self.service}/pool").json()
        return entries

    def delete_service_pool(self) -> httpx.Response:
        return self.client.delete(f"{self.service}/pool")

    def wait_for(self, status: str, *, n_nodes: int = 1) -> None:
        """Returns when this is the status on every node."""
        wait_until(
            lambda: (
                [each["status"] for each in self.get_service_pool_status()] == [status] * n_nodes
            ),
            120,
        )

    def build(self, initial: int = 1, most: int = 2) -> None:
        assert self.create_or_update_service_pool(initial, most).status_code == 200
        self.wait_for("Success")

    def loads(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []

    def pid(self) -> int:
        answer = self.client.post(f"/api/{NAME}/{VERSION}", json={}).raise_for_status().json()
        assert answer["success"], answer
        return int(answer["outputParameters"]["pid"])


@pytest.fixture
def pooled(open_box: OneBox, tmp_path: Path) -> Iterator[Pooled]:
    with open_box.client() as client:
        version = Pooled(client, tmp_path / "loads")
        yield version
        client.delete(version.service)


def test_the_worker_builds_it_and_the_first_call_is_warm(pooled: Pooled) -> None:
    pooled.build(2, 3)
    loaded = pooled.loads()
    assert len(loaded) == 2
    assert pooled.pid() in loaded
    assert pooled.loads() == loaded


def test_it_is_deleted_for_good_and_the_version_still_answers(pooled: Pooled) -> None:
    pooled.build()
    (own,) = pooled.loads()
    assert pooled.delete_service_pool().status_code == 200
    pooled.wait_for("NotFound")
    assert pooled.pid() != own
    wait_until(lambda: not Path(f"/proc/{own}").exists())


def test_killed_shells_and_a_killed_node_bring_it_back(open_box: OneBox, pooled: Pooled) -> None:
    pooled.build()
    (first,) = pooled.loads()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(pooled.loads()) == 2)
    open_box.kill("compute node")
    wait_until(lambda: len(pooled.loads()) == 3)
    pooled.wait_for("Success")
    assert pooled.pid() == pooled.loads()[2]


def test_a_patch_builds_it_anew(pooled: Pooled) -> None:
    pooled.build()
    (old,) = pooled.loads()
    body = {"runtimeType": "Python", "initCode": pooled.init(2)}
    pooled.client.patch(pooled.service, json=body).raise_for_status()
    pooled.wait_for("Success")
    new = pooled.loads()[-1]
    assert new != old
    assert pooled.pid() == new
    wait_until(lambda: not Path(f"/proc/{old}").exists())


@pytest.fixture
def second_node(open_box: OneBox, tmp_path: Path) -> Iterator[RunningNode]:
    """A further compute node that the box does not know yet."""
    cluster_key = (open_box.data_dir / "secrets" / "cluster_key").read_text().strip()
    node = start_node(tmp_path, cluster_key=cluster_key, environment={"MLOPS_RSCRIPT": NO_R})
    yield node
    open_box.manage("shell", "-c", FORGET.format(uri=node.address))
    node.stop()


def test_a_node_that_appears_builds_it_too(
    open_box: OneBox, pooled: Pooled, second_node: RunningNode
) -> None:
    pooled.build()
    open_box.manage("shell", "-c", DECLARE.format(uri=second_node.address))
    pooled.wait_for("Success", n_nodes=2)
    (pool,) = second_node.http.get("/v1/pools").json()["pools"]
    assert (pool["initialSize"], pool["maxSize"]) == (1, 2)
    assert len(pooled.loads()) == 2
