"""Running batches, on scripted nodes."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.models import User
from nodes.compute_node import close_connections
from services.actions.cancel_batch import cancel_batch
from services.actions.delete import delete_version
from services.actions.patch import patch_version
from services.actions.start_batch import start_batch
from services.batches import driver as driver_module
from services.batches import reading
from services.batches.driver import Driver
from services.models import Batch, BatchLease, BatchResult, Version
from services.schema import Definition
from tests.services.create import batch_rows, create_batch, create_version
from tests.services.scripted_node import ScriptedNode, declared, refusal

# Drivers have threads of their own, which must see what the test has saved.
pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60


def run(main: Coroutine[Any, Any, Any]) -> Any:
    async def wait() -> Any:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await main
        finally:
            await close_connections()

    return async_to_sync(wait)()


def ok(x: int) -> bytes:
    """The raw answer of a node to an item."""
    head = '{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],'
    body = f'{head}"outputParameters":{{"y":{x}}},"outputFiles":{{}}}}'.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Node(ScriptedNode):
    """A node that counts what runs on it; `before` is awaited in each run, bytes are its answer."""

    def __init__(self, before: Callable[[int], Awaitable[object]] | None = None) -> None:
        super().__init__(score=self._run)
        self._before = before
        self.n_running = 0
        self.most_running = 0
        self.runs: Counter[int] = Counter()
        self.broken_off: list[int] = []

    async def _run(self, _: ScriptedNode, body: bytes) -> bytes:
        x = json.loads(body)["x"]
        self.runs[x] += 1
        self.n_running += 1
        self.most_running = max(self.most_running, self.n_running)
        try:
            answer = await self._before(x) if self._before else None
            return answer if isinstance(answer, bytes) else ok(x)
        except asyncio.CancelledError:
            self.broken_off.append(x)
            raise
        finally:
            self.n_running -= 1


@pytest.fixture(autouse=True)
def frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "LOOK_SECONDS", 0.1)


@pytest.fixture(autouse=True)
def version(alice: User) -> Version:
    return create_version(alice)


def results(batch: Batch) -> list[Any]:
    status = json.loads(b"".join(reading.status_json(batch.pk, shows_partial=True)))
    return status["batchExecutionResults"]  # type: ignore[no-any-return]


def ys(batch: Batch) -> list[int]:
    return [result["outputParameters"]["y"] for result in results(batch)]


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def saved_results(batch: Batch) -> int:
    return await sync_to_async(BatchResult.objects.filter(batch=batch).count)()


def test_every_result_stands_in_its_place(alice: User) -> None:
    async def later_ones_first(x: int) -> None:
        await asyncio.sleep((10 - x % 10) / 1000)

    async def main() -> Node:
        node = Node(later_ones_first)
        async with declared(node):
            await Driver().run()
        return node

    batch = create_batch(alice, n_items=300, parallel_count=20)
    node = run(main())
    assert ys(batch) == list(range(300))
    assert set(node.runs.values()) == {1}
    batch.refresh_from_db()
    assert batch.state == "Complete"
    assert batch_rows()["BatchLease"] == 0


def test_all_workers_together_never_run_more_than_the_parallel_count(alice: User) -> None:
    async def main() -> Node:
        node = Node(lambda _: asyncio.sleep(0.005))
        async with declared(node):
            await asyncio.gather(*(Driver(holder=name).run() for name in ("a", "b", "c")))
            await Driver().run()  # what they may have left when one had all the slots
        return node

    batch = create_batch(alice, n_items=200, parallel_count=5)
    node = run(main())
    assert node.most_running == 5
    assert ys(batch) == list(range(200))


def test_a_busy_node_is_waited_for(alice: User) -> None:
    n_refused = 0

    async def busy_at_first(_: int) -> bytes | None:
        nonlocal n_refused
        n_refused += 1
        busy = refusal("503 Service Unavailable", "busy", "All shells are busy.")
        return busy if n_refused < 7 else None

    async def main() -> None:
        async with declared(Node(busy_at_first)):
            await Driver().run()

    batch = create_batch(alice, n_items=3)
    run(main())
    assert ys(batch) == [0, 1, 2]


def test_an_item_whose_node_failed_is_repeated(alice: User) -> None:
    failing = {1}

    async def fail_once(x: int) -> bytes | None:
        if x in failing:
            failing.discard(x)
            return b"nonsense\r\n\r\n"
        return None

    async def main() -> Node:
        node = Node(fail_once)
        async with declared(node):
            await Driver().run()
        return node

    batch = create_batch(alice, n_items=3)
    assert run(main()).runs == {0: 1, 1: 2, 2: 1}
    assert ys(batch) == [0, 1, 2]


def test_an_item_whose_node_fails_again_and_again_has_the_message_as_its_result(
    alice: User,
) -> None:
    async def fail(x: int) -> bytes | None:
        failed = refusal("500 Internal Server Error", "internal-error", "The compute node failed.")
        return failed if x == 1 else None

    async def main() -> Node:
        node = Node(fail)
        async with declared(node):
            await Driver().run()
        return node

    batch = create_batch(alice, n_items=3)
    assert run(main()).runs[1] == 3
    assert [result["success"] for result in results(batch)] == [True, False, True]
    assert "The compute node failed." in results(batch)[1]["errorMessage"]


def test_an_item_that_the_node_refuses_has_the_message_as_its_result(alice: User) -> None:
    async def refuse(x: int) -> bytes | None:
        return refusal("400 Bad Request", "invalid-input", "No such column.") if x == 1 else None

    async def main() -> Node:
        node = Node(refuse)
        async with declared(node):
            await Driver().run()
        return node

    batch = create_batch(alice, n_items=2)
    assert run(main()).runs[1] == 1
    assert results(batch)[1] == {
        "success": False,
        "errorMessage": "No such column.",
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": {},
        "outputFiles": {},
    }


def test_an_item_that_takes_too_long_is_stopped(alice: User, settings: Settings) -> None:
    settings.BATCH_ITEM_SECONDS = 1

    async def hang(x: int) -> None:
        if x == 1:
            await asyncio.Event().wait()

    async def main() -> Node:
        node = Node(hang)
        async with declared(node):
            await Driver().run()
            await until(lambda: node.broken_off)
        return node

    batch = create_batch(alice, n_items=2)
    assert run(main()).runs[1] == 1
    assert "stopped after 1 seconds" in results(batch)[1]["errorMessage"]


def test_an_item_may_take_longer_than_a_lease(alice: User, settings: Settings) -> None:
    settings.BATCH_LEASE_SECONDS = 1

    async def main(batch: Batch) -> Node:
        done = asyncio.Event()
        node = Node(lambda _: done.wait())
        async with declared(node):
            driving = asyncio.create_task(Driver(holder="on another machine").run())
            await until(lambda: node.n_running == 1)
            lease = await sync_to_async(BatchLease.objects.get)()
            while timezone.now() < lease.expires_at:
                await asyncio.sleep(0.05)
            await Driver(holder="here").run()  # which would take the item, were it lost
            done.set()
            await driving
        return node

    batch = create_batch(alice, n_items=1)
    assert run(main(batch)).runs == {0: 1}
    assert ys(batch) == [0]


@pytest.mark.parametrize("how", ["cancelled", "version deleted"])
def test_of_a_batch_that_is_given_up_running_items_are_broken_off(alice: User, how: str) -> None:
    async def main(batch: Batch) -> Node:
        node = Node(lambda _: asyncio.Event().wait())
        async with declared(node):
            driving = asyncio.create_task(Driver().run())
            await until(lambda: node.n_running == 3)
            if how == "cancelled":
                await sync_to_async(cancel_batch)(user=alice, batch_id=batch.pk)
            else:
                await sync_to_async(delete_version)(user=alice, name="churn", version="v1")
            await driving
            await until(lambda: len(node.broken_off) == 3)
        return node

    node = run(main(create_batch(alice, n_items=9, parallel_count=3)))
    assert sorted(node.broken_off) == [0, 1, 2]
    assert sum(node.runs.values()) == 3
    assert not BatchResult.objects.exists()


def test_after_a_patch_the_items_run_as_the_version_is_then(alice: User) -> None:
    async def main() -> Node:
        patched = asyncio.Event()
        node = Node(lambda x: patched.wait() if x == 0 else asyncio.sleep(0))
        async with declared(node):
            driver = Driver()
            driving = asyncio.create_task(driver.run())
            await until(lambda: node.n_running == 1)
            current = await sync_to_async(patch_version)(
                user=alice, name="churn", version="v1", definition=Definition(code="y = 2")
            )
            (part,) = driver._parts.values()
            await until(lambda: part.published.bundle_id == current.bundle_id)
            patched.set()
            await driving
        return node

    batch = create_batch(alice, n_items=5, parallel_count=1)
    before = Version.objects.get().bundle_id
    node = run(main())
    after = Version.objects.get().bundle_id
    assert node.scored == [before] + [after] * 4
    assert ys(batch) == list(range(5))


def test_what_a_stopped_worker_leaves_another_runs(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "DRAIN_SECONDS", 0.2)

    async def main(batch: Batch) -> Node:
        slow = {3, 7}
        node = Node(lambda x: asyncio.Event().wait() if x in slow else asyncio.sleep(0))
        async with declared(node):
            first = Driver(holder="first")
            driving = asyncio.create_task(first.run())
            while await saved_results(batch) < 18:
                await asyncio.sleep(0.05)
            first.stop()
            await driving
            slow.clear()
            await Driver(holder="second").run()
        return node

    batch = create_batch(alice, n_items=20, parallel_count=4)
    node = run(main(batch))
    assert ys(batch) == list(range(20))
    assert node.runs == {**dict.fromkeys(range(20), 1), 3: 2, 7: 2}
    batch.refresh_from_db()
    assert batch.n_completed == 20


def test_a_batch_that_uses_everything_does_not_keep_another_from_running(
    alice: User, settings: Settings
) -> None:
    settings.MAX_THREADS_PER_BATCH = 4

    async def main(large: Batch) -> Batch:
        release = asyncio.Event()
        node = Node(lambda x: release.wait() if x >= 100 else asyncio.sleep(0))
        async with declared(node):
            driving = asyncio.create_task(Driver().run())
            await until(lambda: node.n_running == 4)
            small = await sync_to_async(create_batch)(alice, n_items=6)
            while await saved_results(small) < 6:
                await asyncio.sleep(0.05)
            assert await saved_results(large) == 0
            release.set()
            await driving
        return small

    body = json.dumps([{"x": x} for x in range(100, 120)]).encode()
    large = start_batch(user=alice, name="churn", version="v1", body=body)
    small = run(main(large))
    assert ys(small) == list(range(6))
    assert ys(large) == list(range(100, 120))
