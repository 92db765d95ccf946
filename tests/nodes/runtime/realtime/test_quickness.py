"""Calls of quick models run at once, those of all others in threads."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from nodes.runtime.errors import InvalidInput
from nodes.runtime.realtime import quickness
from nodes.runtime.realtime.model import Model
from nodes.runtime.realtime.quickness import SMALL_BODY_BYTES, is_quick, operators_in
from nodes.runtime.realtime.scoring import RealtimeScorer
from tests.nodes.runtime.realtime.in_process import Place, body, until
from tests.nodes.runtime.realtime.models import FLOAT, adding, centring, endless, model

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def function_calling() -> bytes:
    """A model whose one node is a function of its own."""
    opset = helper.make_opsetid("", 18)
    nodes = [helper.make_node("Identity", ["a"], ["b"])]
    function = helper.make_function("ai.onnx", "Add", ["a"], ["b"], nodes, [opset])
    made = helper.make_model(helper.make_graph([], "graph", [], []), functions=[function])
    return bytes(made.SerializeToString())


def tiling() -> bytes:
    """A model that makes something as large as the caller says."""
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=7),
        helper.make_node("Squeeze", ["n"], ["s"]),
        helper.make_node("Reshape", ["s", "one"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=1),
        helper.make_node("Add", ["x", "zero"], ["y"]),
    ]
    return model(
        nodes,
        [("x", FLOAT, [None, 1])],
        [("y", FLOAT, [None, 1])],
        constants=[helper.make_tensor("one", 7, [1], [1])],
    )


def test_the_operators_of_a_model_are_found() -> None:
    assert operators_in(memoryview(adding())) == {"Add"}
    assert operators_in(memoryview(centring())) == {"ReduceMean", "Sub"}


@pytest.mark.parametrize("payload", [endless(), function_calling()])
def test_graphs_within_the_graph_and_functions_are_found(payload: bytes) -> None:
    assert "" in operators_in(memoryview(payload))


@pytest.mark.parametrize(
    ("payload", "expected"), [(adding(), True), (endless(), False), (tiling(), False)]
)
def test_only_a_model_whose_time_is_bounded_is_quick(
    tmp_path: Path, payload: bytes, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickness, "_QUICK_SECONDS", 60)  # for whatever else the machine does
    path = tmp_path / "model.onnx"
    path.write_bytes(payload)
    assert is_quick(Model(path), path) is expected


def test_a_model_that_takes_long_is_not_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickness, "_QUICK_SECONDS", 0)
    path = tmp_path / "model.onnx"
    path.write_bytes(adding())
    assert not is_quick(Model(path), path)


def test_a_model_written_in_an_unknown_way_is_not_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quickness, "_QUICK_SECONDS", 60)
    path = tmp_path / "model.onnx"
    path.write_bytes(adding() + b"\xa3\x1f\xa4\x1f")  # a group, which protobuf has given up
    assert not is_quick(Model(path), path)


async def _with_busy_thread(place: Place) -> tuple[RealtimeScorer, "asyncio.Task[bytes]"]:
    scorer = place.scorer()
    holding = asyncio.create_task(scorer.score(place.bundle("holder", endless()), body(1)))
    await until(lambda: scorer.threads_by_state()["busy"] == 1)
    return scorer, holding


def test_a_small_call_of_a_quick_model_needs_no_thread(place: Place, run: Run) -> None:
    async def main() -> None:
        scorer, holding = await _with_busy_thread(place)
        answer = json.loads(await scorer.score(place.bundle("quick", adding()), body(1)))
        assert answer["outputParameters"] == {"outputData": {"y": [2.0]}}
        assert not holding.done()
        holding.cancel()
        await until(lambda: not scorer._jobs)
        scorer.stop()

    run(main())


def test_a_large_call_of_a_quick_model_waits_for_a_thread(place: Place, run: Run) -> None:
    async def main() -> None:
        scorer, holding = await _with_busy_thread(place)
        rows = [1] * SMALL_BODY_BYTES
        large = json.dumps({"inputData": {"x": rows}}).encode()
        call = asyncio.create_task(scorer.score(place.bundle("quick", adding()), large))
        await until(lambda: scorer.n_waiting == 1)
        holding.cancel()
        answer = json.loads(await call)
        assert answer["outputParameters"]["outputData"]["y"] == [2.0] * len(rows)
        scorer.stop()

    run(main())


def test_a_wrong_input_of_a_quick_model_is_told_and_the_next_call_is_right(
    place: Place, run: Run
) -> None:
    async def main() -> None:
        scorer, bundle = place.scorer(), place.bundle("quick", adding())
        with pytest.raises(InvalidInput, match="lacks the column x"):
            await scorer.score(bundle, b'{"inputData": {"z": [1]}}')
        answer = json.loads(await scorer.score(bundle, body(1)))
        assert answer["outputParameters"] == {"outputData": {"y": [2.0]}}
        scorer.stop()

    run(main())
