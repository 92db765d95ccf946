"""Timers that share one of the event loop's."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import uvloop

from mlops.coarse_timer import CoarseTimer, coarse_timer

Run = Callable[[Coroutine[Any, Any, Any]], Any]

SOON = 0.01
LATER = 0.03


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end on a loop of its own."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    async def bounded(main: Coroutine[Any, Any, Any]) -> Any:
        async with asyncio.timeout(60):
            return await main

    def run_it(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(bounded(main))

    return run_it


async def called_back(timer: CoarseTimer) -> None:
    """Returns when what is set on `timer` now has called back."""
    done = asyncio.Event()
    timer.start(done.set)
    await done.wait()


async def passing(seconds: float) -> None:
    """Returns when the event loop has run what was due by then."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


def test_a_timer_calls_back(run: Run) -> None:
    run(called_back(CoarseTimer(SOON)))


def test_a_timer_calls_back_once(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        timer.start(lambda: calls.append("first"))
        for _ in range(3):
            await called_back(timer)

    run(main())
    assert calls == ["first"]


def test_nothing_is_called_back_at_once(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        CoarseTimer(0).start(lambda: calls.append("called"))
        assert calls == []
        await passing(SOON)

    run(main())
    assert calls == ["called"]


def test_a_timer_that_was_taken_off_does_not_call_back(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        timer.start(lambda: calls.append("first"))
        taken_off = timer.start(lambda: calls.append("taken off"))
        timer.start(lambda: calls.append("last"))
        timer.cancel(taken_off)
        await called_back(timer)

    run(main())
    assert calls == ["first", "last"]


def test_when_the_first_was_taken_off_the_next_calls_back(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        timer.cancel(timer.start(lambda: calls.append("taken off")))
        await called_back(timer)

    run(main())
    assert calls == []


def test_to_take_off_what_has_called_back_changes_nothing(run: Run) -> None:
    async def main() -> None:
        timer = CoarseTimer(0)
        number = timer.start(lambda: None)
        await called_back(timer)
        timer.cancel(number)
        await called_back(timer)

    run(main())


def test_to_take_off_twice_changes_nothing(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        number = timer.start(lambda: calls.append("taken off"))
        timer.cancel(number)
        timer.cancel(number)
        await called_back(timer)

    run(main())
    assert calls == []


def test_timers_that_are_set_at_different_times_each_call_back(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(LATER)
        timer.start(lambda: calls.append("first"))
        await called_back(CoarseTimer(SOON))
        timer.start(lambda: calls.append("second"))
        await called_back(CoarseTimer(SOON))
        await called_back(timer)

    run(main())
    assert calls == ["first", "second"]


def test_a_hundred_timers_call_back_in_the_order_in_which_they_were_set(run: Run) -> None:
    calls: list[int] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        for number in range(100):
            timer.start(partial(calls.append, number))
        await called_back(timer)

    run(main())
    assert calls == list(range(100))


def test_a_callback_can_take_off_another_that_is_due_as_well(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(0)  # all are due when the first is
        timer.start(lambda: timer.cancel(other))
        other = timer.start(lambda: calls.append("taken off"))
        await called_back(timer)

    run(main())
    assert calls == []


def test_a_callback_can_set_another(run: Run) -> None:
    async def main() -> None:
        timer = CoarseTimer(SOON)
        done = asyncio.Event()

        def first() -> None:
            timer.start(done.set)

        timer.start(first)
        await done.wait()

    run(main())


def test_what_a_callback_sets_is_not_called_back_at_once(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(0)
        done = asyncio.Event()

        def first() -> None:
            timer.start(second)
            calls.append("first")

        def second() -> None:
            calls.append("second")
            done.set()

        timer.start(first)
        timer.start(lambda: calls.append("due with the first"))
        await done.wait()

    run(main())
    assert calls == ["first", "due with the first", "second"]


def test_a_timer_works_again_after_all_have_called_back(run: Run) -> None:
    async def main() -> None:
        timer = CoarseTimer(SOON)
        for _ in range(3):
            await called_back(timer)
            await passing(SOON)

    run(main())


def test_a_timer_works_again_after_all_were_taken_off(run: Run) -> None:
    calls: list[str] = []

    async def main() -> None:
        timer = CoarseTimer(SOON)
        timer.cancel(timer.start(lambda: calls.append("taken off")))
        await passing(LATER)
        await called_back(timer)

    run(main())
    assert calls == []


def test_a_callback_that_fails_keeps_no_other_from_calling_back() -> None:
    failures: list[BaseException] = []

    def failing() -> None:
        raise ValueError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        timer = CoarseTimer(SOON)
        done = asyncio.Event()
        timer.start(failing)
        timer.start(done.set)
        await done.wait()
        await called_back(timer)

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [type(failure) for failure in failures] == [ValueError]


def test_one_loop_has_one_timer_for_each_span(run: Run) -> None:
    async def main() -> None:
        assert coarse_timer(SOON) is coarse_timer(SOON)
        assert coarse_timer(SOON) is not coarse_timer(LATER)
        await asyncio.gather(called_back(coarse_timer(SOON)), called_back(coarse_timer(LATER)))

    run(main())


def test_different_loops_have_different_timers(run: Run) -> None:
    async def main() -> CoarseTimer:
        timer = coarse_timer(SOON)
        await called_back(timer)
        return timer

    first, second = run(main()), run(main())
    assert first is not second


def test_a_loop_that_ended_with_a_timer_set_does_not_disturb_the_next(run: Run) -> None:
    calls: list[str] = []

    async def leaving() -> None:
        coarse_timer(SOON).start(lambda: calls.append("of the loop that ended"))

    async def main() -> None:
        await called_back(coarse_timer(SOON))

    run(leaving())
    run(main())
    assert calls == []
