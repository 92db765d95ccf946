"""Calls of a realtime version that wait for a thread together are run as one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.runtime.errors import InvalidInput
from nodes.runtime.inputs import InputError
from nodes.runtime.realtime import jobs, loaded, scoring
from nodes.runtime.realtime.model import Model
from nodes.runtime.realtime.scoring import RealtimeScorer
from tests.nodes.runtime.realtime.in_process import Place, body, until
from tests.nodes.runtime.realtime.models import (
    DOUBLE,
    INT64,
    STRING,
    adding,
    centring,
    doubling_matrix,
    echoing,
    endless,
)

Run = Callable[[Coroutine[Any, Any, Any]], Any]
MAX_ROWS = 12


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(loaded, "is_quick", lambda *_: False)  # else no call would wait
    return Place(tmp_path)


# -- a model -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    path.write_bytes(echoing(number=DOUBLE, whole=INT64, text=STRING))
    return Model(path)


_GOOD_ROW = st.tuples(
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.none()),
    st.integers(-(2**63), 2**63 - 1),
    st.one_of(st.text(st.characters(codec="utf-8"), max_size=3), st.none()),
)
_BAD_ROW = st.tuples(st.just("x"), st.just(0.5), st.just(1))
_FRAME = st.builds(
    lambda rows: dict(zip(("number", "whole", "text"), zip(*rows, strict=True), strict=True)),
    st.one_of(
        st.lists(_GOOD_ROW, min_size=1, max_size=4), st.lists(_BAD_ROW, min_size=1, max_size=1)
    ),
)
_NO_ROWS: dict[str, Any] = {"number": [], "whole": [], "text": []}
_ODD = st.sampled_from([_NO_ROWS, {}])
_FRAMES = st.lists(st.one_of(_FRAME, _FRAME, _FRAME, _ODD), min_size=2, max_size=8)


@settings(deadline=None)  # where many tests run a call may take its time
@given(frames=_FRAMES)
def test_each_call_gets_what_it_would_get_alone(echo: Model, frames: Sequence[Any]) -> None:
    bodies = [json.dumps({"inputData": frame}).encode() for frame in frames]
    answers, n_calls, n_rows = echo.score_together(bodies, echo.new_run(), MAX_ROWS)
    assert n_calls == sum(answer is not None for answer in answers)
    assert n_rows <= MAX_ROWS
    for sent, answer in zip(bodies, answers, strict=True):
        try:
            alone = echo.score(sent, echo.new_run())
        except InputError:
            assert answer is None
        else:
            assert answer in (None, alone)


def test_only_what_cannot_be_merged_is_left_out(echo: Model) -> None:
    fits = {"number": [1.5], "whole": [1], "text": ["a"]}
    frames = [fits, {**fits, "whole": ["b"]}, {}, {**fits, "text": [1]}, fits]
    bodies = [json.dumps({"inputData": frame}).encode() for frame in frames]
    answers, n_calls, n_rows = echo.score_together(bodies, echo.new_run(), MAX_ROWS)
    assert [answer is not None for answer in answers] == [True, False, False, False, True]
    assert (n_calls, n_rows) == (2, 2)


# -- a scorer with one thread --------------------------------------------------------------------


class Scored:
    """The calls that were made of a bundle while its thread was busy."""

    def __init__(self, scorer: RealtimeScorer, calls: list[asyncio.Task[bytes]]) -> None:
        self.scorer = scorer
        self.calls = calls

    async def y(self) -> list[Any]:
        """What each of them got."""
        answers = [json.loads(await call) for call in self.calls]
        assert all(answer["success"] for answer in answers)
        return [answer["outputParameters"]["outputData"]["y"] for answer in answers]

    @property
    def n_together(self) -> float:
        return self.scorer.figures.merging.calls.total


@asynccontextmanager
async def waiting(place: Place, model: bytes, bodies: Sequence[bytes]) -> AsyncIterator[Scored]:
    """Calls that had to wait for the one thread and have it now."""
    bundle, holder = place.bundle("bundle", model), place.bundle("holder", endless())
    scorer = place.scorer()
    await scorer.score(bundle, body(-1))  # loads it
    holding = asyncio.create_task(scorer.score(holder, body(1)))
    await until(lambda: scorer.threads_by_state()["busy"] == 1)
    calls = [asyncio.create_task(scorer.score(bundle, each)) for each in bodies]
    await until(lambda: scorer.n_waiting == len(bodies))
    holding.cancel()
    yield Scored(scorer, calls)
    for call in calls:
        call.cancel()
    await until(lambda: not scorer._jobs)
    scorer.stop()


def test_calls_that_wait_together_run_as_one(place: Place, run: Run) -> None:
    async def main() -> None:
        async with waiting(place, adding(), [body(x) for x in range(5)]) as scored:
            assert await scored.y() == [[x + 1.0] for x in range(5)]
            assert scored.n_together == 5
            assert scored.scorer.figures.merging.rows.total == 5
            assert scored.scorer.figures.merging.flushed == {"idle": 2, "free": 5}

    run(main())


def test_a_call_that_does_not_fit_is_refused_alone(place: Place, run: Run) -> None:
    async def main() -> None:
        wrong = b'{"inputData": {"x": ["one"]}}'
        async with waiting(place, adding(), [body(1), wrong, body(2)]) as scored:
            with pytest.raises(InvalidInput, match="column x must have a number"):
                await scored.calls.pop(1)
            assert await scored.y() == [[2.0], [3.0]]
            assert scored.n_together == 2

    run(main())


def test_rows_that_depend_on_each_other_are_found_out(place: Place, run: Run) -> None:
    async def main() -> None:
        async with waiting(place, centring(), [body(x) for x in range(3)]) as scored:
            assert await scored.y() == [[0.0]] * 3

    run(main())


def test_a_model_of_single_rows_is_not_merged(place: Place, run: Run) -> None:
    async def main() -> None:
        row = b'{"inputData": {"m": 1}}'
        single = doubling_matrix(1, n_rows=1)
        bundle, holder = place.bundle("a", single), place.bundle("b", endless())
        scorer = place.scorer()
        holding = asyncio.create_task(scorer.score(holder, body(1)))
        await until(lambda: scorer.threads_by_state()["busy"] == 1)
        calls = [asyncio.create_task(scorer.score(bundle, row)) for _ in range(3)]
        await until(lambda: scorer.n_waiting == 3)
        holding.cancel()
        assert [b"[2.0]" in await call for call in calls] == [True] * 3
        assert scorer.figures.merging.calls.total == 0
        scorer.stop()

    run(main())


def test_a_call_that_takes_too_long_does_not_hold_those_merged_with_it(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (jobs, scoring):
        monkeypatch.setattr(module, "TOGETHER_SECONDS", 0.2)

    async def main() -> None:
        bodies = [body(-1), body(-2), body(1)]  # the last never ends
        async with waiting(place, endless(), bodies) as scored:
            endless_call = scored.calls.pop()
            assert await scored.y() == [[-1.0], [-2.0]]
            assert scored.scorer.figures.merging.unmerged == {"error": 3}
            endless_call.cancel()

    run(main())


def test_who_goes_away_does_not_hurt_those_merged_with_it(place: Place, run: Run) -> None:
    async def main() -> None:
        async with waiting(place, adding(), [body(x) for x in range(4)]) as scored:
            scored.calls.pop(1).cancel()
            assert await scored.y() == [[1.0], [3.0], [4.0]]

    run(main())


def test_a_run_of_several_that_all_go_away_is_stopped(place: Place, run: Run) -> None:
    async def main() -> None:
        async with waiting(place, endless(), [body(1), body(1)]) as scored:
            await until(lambda: scored.scorer.threads_by_state()["busy"] == 1)
            await until(lambda: scored.scorer.n_waiting == 0)
            for call in scored.calls:
                call.cancel()
            await until(lambda: scored.scorer.threads_by_state()["busy"] == 0)

    run(main())
