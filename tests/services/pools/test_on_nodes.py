"""Pools of versions on real compute nodes: built, resized, replaced, removed, never borrowing."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from mlops.accounts import tokens
from mlops.accounts.models import User
from mlops.asgi import application
from nodes.actions import declare_node
from nodes.compute_node import close_connections
from nodes.registry import registry
from services.actions.configure_pool import configure_pool
from services.actions.delete import delete_version
from services.actions.delete_pool import delete_pool
from services.actions.patch import patch_version
from services.models import Version
from services.pools.reconciling import reconcile_pools
from services.pools.status import pool_status
from services.schema import Definition, Parameter
from tests.nodes.runtime.running import RunningNode, wait_until
from tests.services.create import create_snapshot, create_version
from tests.services.pools.conftest import start
from tests.services.results import outputs_of

pytestmark = pytest.mark.django_db(transaction=True)

PID = [Parameter("pid", "integer")]


class Marked:
    """A version whose init code writes its shell's pid to `log`; its calls wait for `gate`."""

    def __init__(self, user: User, directory: Path, *, version: str = "v1") -> None:
        self.user = user
        self.name = version
        self.log, self.gate = directory / "loads", directory / "gate"
        snapshot = create_snapshot(user, files={"model.txt": b"x" * 100_000})
        create_version(
            user,
            version=version,
            snapshot_id=str(snapshot.pk),
            init_code=(
                "import os, time\nassert os.path.getsize('model.txt') == 100_000\n"
                f"open({str(self.log)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            ),
            code=(
                f"while not os.path.exists({str(self.gate)!r}): time.sleep(0.05)\npid = os.getpid()"
            ),
            outputs=PID,
        )

    @property
    def stored(self) -> Version:
        return Version.objects.select_related("service", "pool").get(version=self.name)

    def configure(self, initial: int, most: int) -> None:
        configure_pool(
            user=self.user,
            name="churn",
            version=self.name,
            initial_size=initial,
            max_size=most,
        )

    def patch(self, **said: Any) -> None:
        definition = Definition(**said)
        patch_version(user=self.user, name="churn", version=self.name, definition=definition)

    def statuses(self) -> list[str]:
        return [entry.status for entry in pool_status(self.stored)]

    def is_ready(self) -> bool:
        return set(self.statuses()) == {"Success"}

    def loads(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []

    def pid(self) -> int:
        self.gate.touch()
        return int(outputs_of(self.stored)["pid"])


@pytest.fixture
def version(alice: User, node: RunningNode, tmp_path: Path) -> Marked:
    return Marked(alice, tmp_path)


@pytest.fixture
def second_node(
    node: RunningNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNode]:
    second = start(tmp_path_factory.mktemp("second-node"))
    declare_node(uri=second.address)
    yield second
    second.stop()


def pools(node: RunningNode) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.http.get("/v1/pools").json()["pools"]
    return found


def test_a_round_builds_the_pool_and_the_first_call_finds_it_warm(
    node: RunningNode, version: Marked
) -> None:
    version.configure(2, 3)
    assert version.statuses() == ["Pending"]
    reconcile_pools()
    wait_until(version.is_ready)
    loaded = version.loads()
    assert len(loaded) == 2
    assert version.pid() in loaded
    assert version.loads() == loaded
    (pool,) = pools(node)
    assert (pool["bundle"], pool["pool"]) == (version.stored.bundle_id, version.stored.pk)
    reconcile_pools()
    assert pools(node) == [pool]


def test_a_call_that_comes_before_the_round_builds_the_pool_and_waits_for_it(
    node: RunningNode, version: Marked
) -> None:
    version.configure(1, 1)
    assert version.pid() in version.loads()
    (pool,) = pools(node)
    assert (pool["initialSize"], pool["maxSize"]) == (1, 1)


def test_another_size_is_pending_until_a_round_has_passed_it_on(
    node: RunningNode, version: Marked
) -> None:
    version.configure(1, 1)
    reconcile_pools()
    wait_until(version.is_ready)
    version.configure(2, 4)
    assert version.statuses() == ["Pending"]
    reconcile_pools()
    wait_until(version.is_ready)
    assert len(version.loads()) == 2


def test_without_its_pool_the_version_runs_in_shared_shells_again(
    node: RunningNode, version: Marked
) -> None:
    version.configure(1, 1)
    reconcile_pools()
    wait_until(version.is_ready)
    delete_pool(user=version.user, name="churn", version="v1")
    assert version.statuses() == ["Pending"]  # on its way out
    reconcile_pools()
    assert version.statuses() == ["NotFound"]
    assert version.pid() == version.loads()[-1]
    assert len(version.loads()) == 2
    assert pools(node) == []


def test_a_patch_replaces_the_pool_once_the_new_one_is_there(
    node: RunningNode, version: Marked, tmp_path: Path
) -> None:
    version.configure(1, 1)
    reconcile_pools()
    wait_until(version.is_ready)
    (old,) = pools(node)
    waited_for = tmp_path / "waited-for"
    version.patch(
        init_code=(
            f"import os, time\nopen({str(version.log)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            f"while not os.path.exists({str(waited_for)!r}): time.sleep(0.05)\n"
        )
    )
    assert version.statuses() == ["Pending"]
    reconcile_pools()
    wait_until(lambda: len(version.loads()) == 2)
    reconcile_pools()
    assert [pool["status"] for pool in pools(node)] == ["Success", "Pending"]
    assert version.statuses() == ["Pending"]
    waited_for.touch()
    wait_until(version.is_ready)
    reconcile_pools()
    (new,) = pools(node)
    assert new["bundle"] == version.stored.bundle_id != old["bundle"]
    assert version.pid() == version.loads()[1]


def test_a_patch_that_cannot_be_loaded_leaves_no_old_pool(
    node: RunningNode, version: Marked
) -> None:
    version.configure(1, 1)
    reconcile_pools()
    wait_until(version.is_ready)
    version.patch(init_code="raise ValueError('no such model')")
    reconcile_pools()
    wait_until(lambda: any(pool["reason"] for pool in pools(node)))
    reconcile_pools()
    (pool,) = pools(node)
    assert "no such model" in pool["reason"]
    assert version.statuses() == ["Pending"]


def test_deleting_the_version_drops_the_pool(node: RunningNode, version: Marked) -> None:
    version.configure(0, 1)
    reconcile_pools()
    assert len(pools(node)) == 1
    delete_version(user=version.user, name="churn", version="v1")
    reconcile_pools()
    assert pools(node) == []


def test_an_equal_version_without_a_pool_does_not_run_in_it(
    node: RunningNode, version: Marked
) -> None:
    twin = Marked(version.user, version.log.parent, version="v2")
    assert twin.stored.bundle_id == version.stored.bundle_id
    version.configure(1, 1)
    reconcile_pools()
    wait_until(version.is_ready)
    (own,) = version.loads()
    assert twin.pid() != own
    assert version.pid() == own
    assert twin.statuses() == ["NotFound"]


def test_a_node_that_is_away_holds_up_no_other_and_gets_the_pool_when_it_returns(
    node: RunningNode, version: Marked, second_node: RunningNode
) -> None:
    second_node.process.kill()
    second_node.process.wait()
    version.configure(1, 1)
    reconcile_pools()
    wait_until(lambda: version.statuses() == ["Success", "Pending"])
    returned = start(second_node.data_dir, second_node.port)
    try:
        reconcile_pools()
        wait_until(version.is_ready)
        delete_pool(user=version.user, name="churn", version="v1")
        returned.stop()
        reconcile_pools()
        assert version.statuses() == ["NotFound", "NotFound"]
    finally:
        returned.stop()


def test_only_members_of_a_range_that_answer_are_listed(node: RunningNode, version: Marked) -> None:
    declare_node(uri=f"http://127.0.0.2:{node.port}-{node.port + 1}")
    registry.forget()
    version.configure(0, 1)
    reconcile_pools()
    assert [entry.address for entry in pool_status(version.stored)] == [f"{node.address}/"]


def test_it_grows_to_its_maximum_then_calls_wait_and_further_ones_are_503(
    node: RunningNode, version: Marked
) -> None:
    version.configure(1, 2)
    reconcile_pools()
    wait_until(version.is_ready)
    token = tokens.issue(version.user).access_token

    async def main() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application),
            base_url="http://web",
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
        ) as client:

            def call() -> "asyncio.Task[httpx.Response]":
                return asyncio.create_task(client.post("/api/churn/v1", json={}))

            try:
                calls = [call(), call()]
                while (await asyncio.to_thread(pools, node))[0]["activeShellCount"] < 2:
                    await asyncio.sleep(0.05)
                calls += [call(), call()]  # one waits, there is no room for the other
                done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                assert [each.result().status_code for each in done] == [503]
                version.gate.touch()
                return list(await asyncio.gather(*calls))
            finally:
                await close_connections()

    answers = async_to_sync(main)()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503]
    (refused,) = (answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    results = [json.loads(answer.content) for answer in answers if answer is not refused]
    pids = {result["outputParameters"]["pid"] for result in results}
    assert pids == set(version.loads())
    assert len(pids) == 2
