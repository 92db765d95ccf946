"""Which nodes are called, and how calls to them are placed."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from mlops.errors import (
    BundleUnknown,
    Busy,
    InvalidRequest,
    NodeError,
    NodeFailure,
    NodeTimeout,
    NodeUnreachable,
)
from nodes import registry as registry_module
from nodes.compute_node import ComputeNode
from nodes.models import NodeEntry, NodeHealth
from nodes.picture import Picture, load_picture
from nodes.registry import Registry, dispatch, dispatch_sync
from tests.nodes.test_breakers import Clock

A, B = "http://10.0.0.1:12805/", "http://10.0.0.2:12805/"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def picture_of(*addresses: str, **by_runtime: tuple[str, ...]) -> Picture:
    return Picture(addresses, by_runtime)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., Registry]:
    """Replaces the process's registry by one that knows the given nodes."""

    def replace(*addresses: str, **by_runtime: tuple[str, ...]) -> Registry:
        known = picture_of(*addresses, **by_runtime)
        registry = Registry(load=lambda: known, clock=clock)
        monkeypatch.setattr(registry_module, "registry", registry)
        return registry

    return replace


def seen(address: str, *, error: str = "", **runtimes: bool) -> NodeHealth:
    return NodeHealth.objects.create(
        address=address,
        last_seen_at=NOW,
        last_probe_at=NOW,
        last_error=error,
        state="down" if error else "ready",
        report={"runtimes": {name: {"available": value} for name, value in runtimes.items()}},
    )


# The picture.


@pytest.mark.django_db
def test_a_declared_single_address_is_a_candidate_before_anybody_has_seen_it() -> None:
    NodeEntry.objects.create(uri=A)
    assert load_picture().addresses == (A,)


@pytest.mark.django_db
def test_a_node_of_another_major_version_is_never_a_candidate() -> None:
    for uri, version in ((A, "1.7"), (B, "2.0")):
        NodeEntry.objects.create(uri=uri)
        health = seen(uri)
        health.report["apiVersion"] = version
        health.save()
    assert load_picture().addresses == (A,)
    NodeEntry.objects.get(uri=A).delete()
    assert load_picture().addresses == ()


@pytest.mark.django_db
def test_a_member_of_a_range_of_another_major_version_is_no_candidate_either() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-2:12805/")
    health = seen(A)
    health.report["apiVersion"] = "2.0"
    health.save()
    assert load_picture().addresses == ()


@pytest.mark.django_db
def test_a_single_address_stays_a_candidate_when_the_prober_cannot_reach_it() -> None:
    NodeEntry.objects.create(uri=A)
    seen(A, error="refused")
    assert load_picture().addresses == (A,)


@pytest.mark.django_db
def test_only_members_of_a_range_that_answer_are_candidates() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    seen(A)
    seen(B, error="refused")
    seen("http://10.0.0.99:12805/")
    seen("http://10.0.0.3:1/")
    assert load_picture().addresses == (A,)


@pytest.mark.django_db
def test_an_address_that_two_entries_name_is_one_candidate() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    NodeEntry.objects.create(uri=A)
    seen(A)
    assert load_picture().addresses == (A,)


@pytest.mark.django_db
def test_a_node_that_reports_a_runtime_as_missing_is_no_candidate_for_it() -> None:
    NodeEntry.objects.create(uri=A)
    NodeEntry.objects.create(uri=B)
    seen(A, R=False, Python=True)
    assert load_picture().by_runtime == {"R": (B,), "Python": (A, B)}


@pytest.mark.django_db
def test_where_no_node_reports_the_runtime_all_are_asked_for_the_reason() -> None:
    NodeEntry.objects.create(uri=A)
    seen(A, R=False)
    assert load_picture().by_runtime["R"] == (A,)


@pytest.mark.django_db
def test_where_no_member_of_a_range_answers_the_known_ones_stay() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    seen(A, error="timed out")
    assert load_picture().addresses == (A,)


@pytest.mark.django_db
def test_a_wrong_entry_is_left_out_and_the_others_serve() -> None:
    NodeEntry.objects.create(uri="http://")
    NodeEntry.objects.create(uri=A)
    assert load_picture().addresses == (A,)


def test_the_picture_is_read_again_after_a_second(clock: Clock) -> None:
    pictures = iter([picture_of(A), picture_of(A, B)])
    registry = Registry(load=lambda: next(pictures), clock=clock)
    assert registry.picture().addresses == (A,)
    clock.now += 0.9
    assert registry.picture().addresses == (A,)
    clock.now += 0.2
    assert registry.picture().addresses == (A, B)


def test_a_picture_that_ages_serves_on_and_is_read_again_meanwhile(clock: Clock) -> None:
    pictures = iter([picture_of("a"), picture_of("b")])
    registry = Registry(load=lambda: next(pictures), clock=clock)

    async def main() -> None:
        await registry.picture_async()
        clock.now += 0.6
        assert (await registry.picture_async()).addresses == ("a",)
        async with asyncio.timeout(60):
            while (await registry.picture_async()).addresses != ("b",):
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_the_picture_is_read_again_at_once_after_a_change_here(clock: Clock) -> None:
    pictures = iter([picture_of(A), picture_of(A, B)])
    registry = Registry(load=lambda: next(pictures), clock=clock)
    registry.picture()
    registry.forget()
    assert registry.picture().addresses == (A, B)


def test_meanwhile_no_call_is_placed_by_the_picture_of_before(clock: Clock) -> None:
    changed, is_reading, is_read = False, threading.Event(), threading.Event()

    def load() -> Picture:
        if not changed:
            return picture_of(A)
        is_reading.set()
        is_read.wait(60)
        return picture_of(A, B)

    registry = Registry(load=load, clock=clock)
    registry.picture()
    changed = True
    registry.forget()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(registry.picture)
        is_reading.wait(60)
        others = [threads.submit(registry.picture) for _ in range(3)]
        is_read.set()
        assert {call.result().addresses for call in [first, *others]} == {(A, B)}


def test_the_last_picture_serves_while_the_database_is_away(clock: Clock) -> None:
    is_away = False

    def load() -> Picture:
        if is_away:
            raise OperationalError("gone")
        return picture_of(A)

    registry = Registry(load=load, clock=clock)
    registry.picture()
    is_away = True
    clock.now += 2
    assert registry.picture().addresses == (A,)
    assert asyncio.run(registry.picture_async()).addresses == (A,)


def test_without_any_picture_a_database_error_comes_through(clock: Clock) -> None:
    def load() -> Picture:
        raise OperationalError("gone")

    with pytest.raises(OperationalError):
        Registry(load=load, clock=clock).picture()


def test_others_go_on_with_the_old_picture_while_one_thread_reads_a_new_one(clock: Clock) -> None:
    reading, go_on = threading.Event(), threading.Event()
    n_loads = 0

    def load() -> Picture:
        nonlocal n_loads
        n_loads += 1
        if n_loads == 2:
            reading.set()
            go_on.wait()
        return picture_of(A) if n_loads == 1 else picture_of(A, B)

    registry = Registry(load=load, clock=clock)
    registry.picture()
    clock.now += 2
    reader = threading.Thread(target=registry.picture)
    reader.start()
    reading.wait()
    clock.now += 2
    assert registry.picture().addresses == (A,)
    assert asyncio.run(registry.picture_async()).addresses == (A,)
    go_on.set()
    reader.join()
    assert n_loads == 2


# Placing calls.


def test_a_call_goes_to_a_ready_node(use: Callable[..., Registry]) -> None:
    use(A)
    assert dispatch_sync(lambda node: node.address) == A


def test_an_async_call_goes_to_a_ready_node(use: Callable[..., Registry]) -> None:
    use(A)

    async def call(node: ComputeNode) -> str:
        return node.address

    assert asyncio.run(dispatch(call)) == A


def test_without_a_declared_node_calls_are_refused_as_busy(use: Callable[..., Registry]) -> None:
    use()
    with pytest.raises(Busy, match="No compute node is ready: none is declared"):
        dispatch_sync(lambda node: node.address)


def test_a_call_goes_to_a_node_that_runs_the_language(use: Callable[..., Registry]) -> None:
    use(A, B, R=(B,), Python=(A, B))
    assert {dispatch_sync(lambda node: node.address, runtime="R") for _ in range(20)} == {B}


@pytest.mark.parametrize("refusal", [Busy("full"), NodeUnreachable("refused")])
def test_what_cannot_have_run_is_tried_on_one_other_node(
    use: Callable[..., Registry], refusal: Busy
) -> None:
    use(A, B)
    tried = []

    def call(node: ComputeNode) -> str:
        tried.append(node.address)
        if len(tried) == 1:
            raise refusal
        return node.address

    assert dispatch_sync(call) == tried[1]
    assert set(tried) == {A, B}


def test_it_is_tried_on_no_third_node(use: Callable[..., Registry]) -> None:
    use(A, B, "http://10.0.0.3:12805/")
    tried = []

    def call(node: ComputeNode) -> str:
        tried.append(node.address)
        raise Busy(f"full {len(tried)}")

    with pytest.raises(Busy, match="full 2"):
        dispatch_sync(call)
    assert len(set(tried)) == 2


def test_without_another_node_the_first_refusal_is_the_answer(
    use: Callable[..., Registry],
) -> None:
    use(A)

    def call(node: ComputeNode) -> str:
        raise Busy("full")

    with pytest.raises(Busy, match="full"):
        dispatch_sync(call)


@pytest.mark.parametrize("error", [NodeFailure("broke"), InvalidRequest("no"), LookupError("x")])
def test_what_may_have_run_is_never_repeated(
    use: Callable[..., Registry], error: Exception
) -> None:
    use(A, B)
    tried = []

    def call(node: ComputeNode) -> str:
        tried.append(node.address)
        raise error

    with pytest.raises(type(error)):
        dispatch_sync(call)
    assert len(tried) == 1


def test_a_node_that_refuses_connections_sits_out_and_comes_back(
    use: Callable[..., Registry], clock: Clock
) -> None:
    use(A)

    def refuse(node: ComputeNode) -> str:
        raise NodeUnreachable("Connection refused.")

    with pytest.raises(NodeUnreachable):
        dispatch_sync(refuse)
    with pytest.raises(Busy, match=r"try again in a moment\. The last error: Connection refused"):
        dispatch_sync(lambda node: node.address)
    clock.now += 1
    assert dispatch_sync(lambda node: node.address) == A


def test_a_node_whose_connections_break_sits_out(use: Callable[..., Registry]) -> None:
    use(A)

    def break_off(node: ComputeNode) -> str:
        raise NodeFailure("The connection broke.")

    for _ in range(3):
        with pytest.raises(NodeFailure):
            dispatch_sync(break_off)
    with pytest.raises(Busy, match="The connection broke"):
        dispatch_sync(lambda node: node.address)


def test_what_a_node_answered_never_makes_it_sit_out_nor_does_a_slow_run(
    use: Callable[..., Registry],
) -> None:
    use(A)
    answers = [InvalidRequest("no"), Busy("full"), BundleUnknown("push it"), NodeError("broke")]
    for error in [*answers, NodeTimeout("slow")] * 5:

        def call(node: ComputeNode, error: Exception = error) -> str:
            raise error

        with pytest.raises(type(error)):
            dispatch_sync(call)
    assert dispatch_sync(lambda node: node.address) == A


def test_a_call_that_is_broken_off_by_its_caller_tells_nothing_about_the_node(
    use: Callable[..., Registry],
) -> None:
    use(A)

    def call(node: ComputeNode) -> str:
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            dispatch_sync(call)
    assert dispatch_sync(lambda node: node.address) == A


def test_a_bundle_goes_where_it_has_run_before(use: Callable[..., Registry]) -> None:
    use(A, B)
    first = dispatch_sync(lambda node: node.address, bundle_id="b1")
    assert {dispatch_sync(lambda node: node.address, bundle_id="b1") for _ in range(50)} == {first}
    assert {dispatch_sync(lambda node: node.address) for _ in range(50)} == {A, B}


def test_a_node_that_lost_the_bundle_is_not_preferred_any_more(
    use: Callable[..., Registry],
) -> None:
    use(A, B)
    first = dispatch_sync(lambda node: node.address, bundle_id="b1")

    def lose(node: ComputeNode) -> str:
        assert node.address == first
        raise BundleUnknown("push it")

    with pytest.raises(BundleUnknown):
        dispatch_sync(lose, bundle_id="b1")
    assert {
        dispatch_sync(lambda node: node.address, bundle_id=f"b{number}") for number in range(50)
    } == {A, B}


def test_a_removed_node_is_not_called_although_it_was_warm(clock: Clock) -> None:
    pictures = iter([picture_of(A, B), picture_of(B)])
    registry = Registry(load=lambda: next(pictures), clock=clock)
    for attempt in registry.attempts(picture_of(A), bundle_id="b1"):
        registry.picture()
        with attempt as node:
            assert node.address == A
            break
    clock.now += 2
    for attempt in registry.attempts(registry.picture(), bundle_id="b1"):
        with attempt as node:
            assert node.address == B
            break


def test_concurrent_calls_spread_over_the_nodes(use: Callable[..., Registry]) -> None:
    use(A, B)
    busy: dict[str, int] = {}

    async def main() -> None:
        go_on = asyncio.Event()

        async def call(node: ComputeNode) -> None:
            busy[node.address] = busy.get(node.address, 0) + 1
            await go_on.wait()

        tasks = [asyncio.ensure_future(dispatch(call, bundle_id="b1")) for _ in range(40)]
        while sum(busy.values()) < 40:
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert min(busy[A], busy[B]) >= 10
