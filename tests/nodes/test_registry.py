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
    NodeStopping,
    NodeTimeout,
    NodeUnreachable,
)
from nodes import registry as registry_module
from nodes.compute_node import ComputeNode
from nodes.models import NodeDrain, NodeEntry, NodeHealth
from nodes.picture import Picture, load_picture
from nodes.registry import Registry, dispatch, dispatch_sync
from tests.nodes.test_breakers import Clock

# Whatever is asked off the event loop touches the connection of that thread.
pytestmark = pytest.mark.django_db

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


def test_a_declared_single_address_is_a_candidate_before_anybody_has_seen_it() -> None:
    NodeEntry.objects.create(uri=A)
    assert load_picture().addresses == (A,)


def test_a_node_of_another_major_version_is_never_a_candidate() -> None:
    for uri, version in ((A, "1.7"), (B, "2.0")):
        NodeEntry.objects.create(uri=uri)
        health = seen(uri)
        health.report["apiVersion"] = version
        health.save()
    assert load_picture().addresses == (A,)
    NodeEntry.objects.get(uri=A).delete()
    assert load_picture().addresses == ()


def test_a_member_of_a_range_of_another_major_version_is_no_candidate_either() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-2:12805/")
    health = seen(A)
    health.report["apiVersion"] = "2.0"
    health.save()
    assert load_picture().addresses == ()


def test_a_single_address_stays_a_candidate_when_the_prober_cannot_reach_it() -> None:
    NodeEntry.objects.create(uri=A)
    seen(A, error="refused")
    assert load_picture().addresses == (A,)


def test_only_members_of_a_range_that_answer_are_candidates() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    seen(A)
    seen(B, error="refused")
    seen("http://10.0.0.99:12805/")
    seen("http://10.0.0.3:1/")
    assert load_picture().addresses == (A,)


def test_an_address_that_two_entries_name_is_one_candidate() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    NodeEntry.objects.create(uri=A)
    seen(A)
    assert load_picture().addresses == (A,)


def test_a_node_that_reports_a_runtime_as_missing_is_no_candidate_for_it() -> None:
    NodeEntry.objects.create(uri=A)
    NodeEntry.objects.create(uri=B)
    seen(A, R=False, Python=True)
    assert load_picture().by_runtime == {"R": (B,), "Python": (A, B)}


def test_where_no_node_reports_the_runtime_all_are_asked_for_the_reason() -> None:
    NodeEntry.objects.create(uri=A)
    seen(A, R=False)
    assert load_picture().by_runtime["R"] == (A,)


def test_where_no_member_of_a_range_answers_the_known_ones_stay() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    seen(A, error="timed out")
    assert load_picture().addresses == (A,)


def test_a_wrong_entry_is_left_out_and_the_others_serve() -> None:
    NodeEntry.objects.create(uri="http://")
    NodeEntry.objects.create(uri=A)
    assert load_picture().addresses == (A,)


def test_a_drained_node_is_no_candidate_alone_or_in_a_range() -> None:
    for uri in (A, B):
        NodeEntry.objects.create(uri=uri)
    drain = NodeDrain.objects.create(uri=A)
    assert (load_picture().addresses, load_picture().drained) == ((B,), (A,))
    drain.uri = "http://10.0.0.1-2:12805/"
    drain.save()
    assert (load_picture().addresses, load_picture().drained) == ((), (A, B))


def test_where_all_that_run_a_language_are_drained_no_other_is_asked() -> None:
    for uri in (A, B):
        NodeEntry.objects.create(uri=uri)
    seen(B, R=False)
    NodeDrain.objects.create(uri=A)
    assert load_picture().by_runtime["R"] == ()


def test_one_lost_look_does_not_take_a_member_of_a_range_out() -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    health = seen(A, error="timed out")
    health.state = "degraded"
    health.save()
    seen(B)
    assert set(load_picture().addresses) == {A, B}


def test_nodes_weigh_by_their_processors() -> None:
    for uri, capacity in ((A, 2), (B, 6), ("http://10.0.0.3:12805/", None)):
        NodeEntry.objects.create(uri=uri)
        health = seen(uri)
        health.report["capacity"] = capacity
        health.save()
    assert load_picture().weights == {A: 0.5, B: 1.5}


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


def test_when_all_nodes_are_drained_calls_are_refused_and_say_so(
    use: Callable[..., Registry],
) -> None:
    registry = use(A)
    for picture, runtime, said in (
        (Picture((), {}, drained=(A, B)), "", "All compute nodes are drained"),
        (Picture((A,), {"R": ()}, drained=(B,)), "R", "All compute nodes that run R are drained"),
    ):
        with pytest.raises(Busy, match=said):
            next(registry.attempts(picture, runtime=runtime))


def test_a_call_that_ends_after_its_node_was_drained_does_not_make_it_preferred(
    clock: Clock,
) -> None:
    registry = Registry(load=lambda: picture_of(A), clock=clock)
    before, after = picture_of(A, B), picture_of(B)
    first = next(registry.attempts(before, bundle_id="b1"))
    while first.address != A:
        with first:
            pass
        registry._warmth.known.clear()
        first = next(registry.attempts(before, bundle_id="b1"))
    with next(registry.attempts(after, bundle_id="b1")):
        pass
    with first:
        pass
    for _ in range(20):
        with next(registry.attempts(after, bundle_id="b1")) as node:
            assert node.address == B


# Nodes that stop, hang and come back.


def end(registry: Registry, picture: Picture, error: Exception | None, **options: str) -> str:
    """The address of a call that ends so."""
    attempt = next(registry.attempts(picture, **options))
    registry.settle(attempt.address, options.get("bundle_id", ""), error)
    return attempt.address


def test_a_node_that_stops_sits_out_at_once_and_the_call_goes_to_another(
    use: Callable[..., Registry],
) -> None:
    use(A, B)
    tried = []

    def call(node: ComputeNode) -> str:
        tried.append(node.address)
        if len(tried) == 1:
            raise NodeStopping("It is stopping.")
        return node.address

    assert dispatch_sync(call) == tried[1]
    assert {dispatch_sync(lambda node: node.address) for _ in range(20)} == {tried[1]}


@pytest.mark.parametrize(
    ("error", "is_tried"),
    [
        (NodeStopping("stops"), True),
        (NodeUnreachable("refused", is_refused=True), True),
        (NodeUnreachable("no route"), False),
    ],
)
def test_for_want_of_another_a_node_that_refused_at_once_is_tried_again(
    use: Callable[..., Registry], error: Busy, is_tried: bool
) -> None:
    registry = use(A)
    picture = registry.picture()
    end(registry, picture, error)
    if is_tried:
        assert end(registry, picture, None) == A
    else:
        with pytest.raises(Busy, match="No compute node is ready"):
            end(registry, picture, None)


def test_many_calls_at_once_make_one_trial(use: Callable[..., Registry], clock: Clock) -> None:
    registry = use(A, B)
    picture = registry.picture()
    registry.settle(next(registry.attempts(picture)).address, "", NodeUnreachable("no route"))
    [out] = {A, B} - set(registry._breakers.ready([A, B]))
    clock.now += 1
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda _: next(registry.attempts(picture)), range(100)))
    assert [attempt.address for attempt in placed].count(out) == 1


def watched(clock: Clock, *addresses: str) -> tuple[Registry, Picture]:
    picture = picture_of(*addresses)
    return Registry(load=lambda: picture, clock=clock, watch=lambda _: True), picture


def test_a_node_with_a_call_under_way_of_which_nothing_is_heard_is_looked_at(clock: Clock) -> None:
    registry, picture = watched(clock, A)
    stuck = next(registry.attempts(picture))
    assert registry.look() == []
    clock.now += 0.5
    assert registry.look() == [A]
    clock.now += 0.5
    assert registry.look() == []  # trusted for a while
    clock.now += 2
    assert registry.look() == [A]
    registry.settle(stuck.address, "", None)
    registry.look()
    assert registry.look() is None


def test_a_node_that_answers_other_calls_is_not_looked_at(clock: Clock) -> None:
    registry, picture = watched(clock, A)
    next(registry.attempts(picture))
    for _ in range(10):
        end(registry, picture, None)
        clock.now += 0.5
        assert registry.look() == []


def test_a_node_that_hangs_is_called_again_once_it_answers_somebody(clock: Clock) -> None:
    for mend in (
        lambda registry, stuck: registry.checked(A, None),
        lambda registry, stuck: registry.settle(stuck.address, "", None),
    ):
        registry, picture = watched(clock, A, B)
        stuck = next(registry.attempts(picture))
        while stuck.address != A:
            stuck = next(registry.attempts(picture))
        registry.checked(A, NodeTimeout("no answer"))
        assert {end(registry, picture, None) for _ in range(20)} == {B}
        mend(registry, stuck)
        assert {end(registry, picture, None) for _ in range(50)} == {A, B}


def test_nodes_that_sit_out_are_looked_at_and_used_when_they_are_well(clock: Clock) -> None:
    registry, picture = watched(clock, A)
    end(registry, picture, NodeUnreachable("no route"))
    assert registry.look() == [A]
    registry.checked(A, NodeStopping("It is stopping."))
    clock.now += 1
    assert registry.look() == [A]
    registry.checked(A, None)
    assert end(registry, picture, None) == A
    assert registry.look() is None


def test_a_slow_node_sheds_calls_and_has_them_back_later(clock: Clock) -> None:
    registry, picture = watched(clock, A, B)
    registry._warmth.known["b1"] = (A, B)
    next(registry.attempts(picture))  # from here on somebody looks after the nodes

    def spread(n_calls: int) -> float:
        """The share of A, which takes a second where B takes a hundredth, of calls at once."""
        attempts = [next(registry.attempts(picture, bundle_id="b1")) for _ in range(n_calls)]
        began = clock.now
        for attempt in attempts:
            clock.now = began + (1.0 if attempt.address == A else 0.01)
            registry.settle(attempt.address, "b1", None, attempt._began_warm)
        clock.now = began + 1
        registry.look()
        return sum(attempt.address == A for attempt in attempts) / n_calls

    assert spread(40) >= 0.4
    assert spread(40) < 0.1
    for _ in range(20):
        clock.now += 0.5
        registry.look()
    assert spread(40) > 0.3
