"""Frames in, columns out: what a model takes and gives (wire-api sections 11 and 12)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from nodes.runtime.inputs import InputError
from nodes.runtime.realtime.errors import ModelFailed
from nodes.runtime.realtime.model import Model
from tests.nodes.runtime.realtime.models import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT64,
    STRING,
    adding,
    doubling_matrix,
    echoing,
    model,
)

Load = Callable[[bytes], "Loaded"]


class Loaded:
    """A model of its own file."""

    def __init__(self, path: Path, payload: bytes) -> None:
        path.write_bytes(payload)
        self.model = Model(path)

    def answer(self, frame: Any) -> Any:
        """The output columns for a frame, or for the bytes of a body."""
        body = frame if isinstance(frame, bytes) else json.dumps({"inputData": frame}).encode()
        answer = json.loads(self.model.score(body, self.model.new_run()))
        assert list(answer) == ["changedFiles", "outputParameters", "outputFiles"]
        return answer["outputParameters"]["outputData"]

    def refusal(self, frame: Any) -> InputError:
        with pytest.raises(InputError) as refusal:
            self.answer(frame)
        return refusal.value


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda payload: Loaded(tmp_path / "model.onnx", payload)


# -- the frame -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [{"x": [1, 2.5]}, [{"x": 1}, {"x": 2.5}]],
    ids=["columns", "rows"],
)
def test_a_frame_comes_as_columns_or_as_rows(frame: Any, load: Load) -> None:
    assert load(adding()).answer(frame) == {"y": [2.0, 3.5]}


def test_a_scalar_is_a_column_of_one_value(load: Load) -> None:
    assert load(adding()).answer({"x": 1}) == {"y": [2.0]}


def test_the_name_of_the_input_matches_in_any_case(load: Load) -> None:
    assert load(adding()).answer(b'\xef\xbb\xbf{"InputData": {"x": [NaN]}, "more": 1}') == {
        "y": [None]
    }


@pytest.mark.parametrize("frame", [{"x": []}, []], ids=["columns", "rows"])
def test_no_rows_give_the_columns_without_values(frame: Any, load: Load) -> None:
    assert load(adding()).answer(frame) == {"y": []}


def test_no_rows_do_not_reach_a_model_that_fails_on_them(load: Load) -> None:
    failing = load(
        model(
            [helper.make_node("ArgMax", ["m"], ["best"], axis=0, keepdims=0)],
            [("m", FLOAT, [None, 2])],
            [("best", INT64, [None])],
        )
    )
    assert failing.answer([]) == {"best": []}


@pytest.mark.parametrize(
    ("kind", "sent", "received"),
    [
        (FLOAT, [1, 2.5, None], [1.0, 2.5, None]),
        (DOUBLE, [0.1, 1e300, 3], [0.1, 1e300, 3.0]),
        (INT64, [1, 2.0, -(2**63)], [1, 2, -(2**63)]),
        (BOOL, [True, False, True], [True, False, True]),
        (STRING, ["é", "", None], ["é", "", ""]),
    ],
    ids=["float", "double", "int64", "bool", "string"],
)
def test_values_come_as_their_type(
    kind: int, sent: list[Any], received: list[Any], load: Load
) -> None:
    assert load(echoing(c=kind)).answer({"c": sent}) == {"c_out": received}


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (FLOAT, "1.5", "must have a number in every row; row 2 has a string"),
        (FLOAT, True, "row 2 has true or false"),
        (FLOAT, [1], "row 2 has an array"),
        (FLOAT, 1e300, "a number in row 2 that the model's type cannot hold"),
        (INT64, 1.5, "whole number in every row; row 2 has 1.5"),
        (INT64, None, "row 2 has no value"),
        (INT64, 2**63, "a number in row 2 that the model's type cannot hold"),
        (BOOL, 1, "must have true or false in every row; row 2 has a number"),
        (BOOL, None, "row 2 has no value"),
        (STRING, 1, "must have a string in every row; row 2 has a number"),
    ],
)
def test_a_value_of_another_type_is_refused_and_named(
    kind: int, value: Any, says: str, load: Load
) -> None:
    good = {FLOAT: 1.5, INT64: 1, BOOL: True, STRING: "a"}[kind]
    refusal = load(echoing(c=kind)).refusal({"c": [good, value]})
    assert says in refusal.message
    assert "column c" in refusal.message
    assert refusal.fields == "inputData.c"


@pytest.mark.parametrize(
    ("frame", "says", "fields"),
    [
        ({"a": [1.0]}, "lacks the column b", "inputData.b"),
        ({"a": [1.0], "b": ["x"], "c": [1]}, "has the column c, which", "inputData.c"),
        ({"b": ["x"], "a": [1.0]}, "another order than the model, from 'b' on", "inputData.b"),
        ({"a": [1.0, 2.0], "b": ["x"]}, "differ in length: a 2, b 1", "inputData"),
        ({"a": {"0": 1.0}, "b": ["x"]}, "column a must be an array", "inputData.a"),
        ([{"a": 1.0, "b": "x"}, 5], "an object in every row", "inputData"),
        ("text", "must be an object of columns", "inputData"),
        (None, "must be an object of columns", "inputData"),
        ({}, "lacks the column a, b", "inputData.a"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(
    frame: Any, says: str, fields: str, load: Load
) -> None:
    refusal = load(echoing(a=FLOAT, b=STRING)).refusal(frame)
    assert says in refusal.message
    assert refusal.fields == fields


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "Missing input: inputData"),
        (b"", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"inputData": {"x": ["\\ud800"]}}', "half of a surrogate pair"),
    ],
)
def test_a_body_that_is_no_call_is_refused(body: bytes, says: str, load: Load) -> None:
    assert says in load(echoing(x=STRING)).refusal(body).message


# -- matrices ------------------------------------------------------------------------------------


def test_a_matrix_takes_its_columns_by_their_names(load: Load) -> None:
    loaded = load(doubling_matrix(2, columns=["age", {"name": "income"}]))
    assert loaded.answer({"age": [1, 2], "income": [3, None]}) == {
        "twice.0": [2.0, 4.0],
        "twice.1": [6.0, None],
    }
    assert "lacks the column income" in loaded.refusal({"age": [1], "x": [2]}).message
    refusal = loaded.refusal({"age": [1, 2], "income": [1, "2"]})
    assert (refusal.fields, "row 2 has a string" in refusal.message) == ("inputData.income", True)


def test_a_matrix_without_names_takes_its_columns_by_their_order(load: Load) -> None:
    loaded = load(doubling_matrix(2))
    assert loaded.answer({"b": [1], "a": [2]}) == {"twice.0": [2.0], "twice.1": [4.0]}
    assert "has 3 columns; the model takes 2" in loaded.refusal({"a": 1, "b": 2, "c": 3}).message
    assert "column 2 must have a number" in loaded.refusal({"a": 1, "b": "x"}).message


def test_logical_columns_of_a_matrix_take_true_and_false_only(load: Load) -> None:
    loaded = load(doubling_matrix(2, columns=["n", {"name": "flag", "type": "logical"}]))
    assert loaded.answer({"n": [1.5], "flag": [True]}) == {"twice.0": [3.0], "twice.1": [2.0]}
    assert loaded.refusal({"n": [True], "flag": [True]}).fields == "inputData.n"
    assert loaded.refusal({"n": [1.5], "flag": [1]}).fields == "inputData.flag"


def test_a_model_of_single_rows_is_run_for_each(load: Load) -> None:
    loaded = load(doubling_matrix(2, n_rows=1))
    assert loaded.answer({"a": [1, 2, 3], "b": [4, 5, None]}) == {
        "twice.0": [2.0, 4.0, 6.0],
        "twice.1": [8.0, 10.0, None],
    }
    assert loaded.answer([]) == {"twice.0": [], "twice.1": []}


def test_several_matrices_have_numbered_columns(load: Load) -> None:
    loaded = load(
        model(
            [helper.make_node("Add", ["m", "x"], ["y"])],
            [("m", FLOAT, [None, 2]), ("x", FLOAT, [None, 1])],
            [("y", FLOAT, [None, 2])],
        )
    )
    assert loaded.answer({"m.0": 1, "m.1": 2, "x": 3}) == {"y.0": [4.0], "y.1": [5.0]}


# -- the answer ----------------------------------------------------------------------------------


def test_the_prediction_is_named_after_the_response(load: Load) -> None:
    assert load(adding(said={"mlops.response": "rating"})).answer({"x": 1}) == {
        "rating_Pred": [2.0]
    }


def test_probabilities_are_named_after_the_classes(load: Load) -> None:
    loaded = load(doubling_matrix(2, classes=["no", "yes"]))
    assert loaded.answer({"a": 1, "b": 2}) == {"twice.no": [2.0], "twice.yes": [4.0]}
    assert loaded.answer([]) == {"twice.no": [], "twice.yes": []}


@pytest.mark.parametrize(
    "labels", [{"classlabels_strings": ["n", "y"]}, {"classlabels_int64s": [3, 7]}]
)
def test_a_zipmap_becomes_a_column_for_each_class(labels: dict[str, Any], load: Load) -> None:
    loaded = load(_with_zipmap(labels))
    first, second = (str(label) for label in next(iter(labels.values())))
    assert loaded.answer({"a": [0.25, 1], "b": [0.75, 0]}) == {
        f"p.{first}": [0.25, 1.0],
        f"p.{second}": [0.75, 0.0],
    }
    assert loaded.answer([]) == {f"p.{first}": [], f"p.{second}": []}


def _with_zipmap(labels: dict[str, Any]) -> bytes:
    from onnx import TensorProto

    key = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    value = helper.make_tensor_type_proto(FLOAT, None)
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(key, value))
    graph = helper.make_graph(
        [helper.make_node("ZipMap", ["m"], ["p"], domain="ai.onnx.ml", **labels)],
        "graph",
        [helper.make_tensor_value_info("m", FLOAT, [None, 2])],
        [helper.make_value_info("p", kind)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return bytes(made.SerializeToString())


def test_infinities_become_null(load: Load) -> None:
    loaded = load(
        model(
            [helper.make_node("Reciprocal", ["x"], ["y"])],
            [("x", FLOAT, [None, 1])],
            [("y", FLOAT, [None, 1])],
        )
    )
    assert loaded.answer({"x": [0, 4]}) == {"y": [None, 0.25]}


def test_an_error_of_the_model_is_its_own(load: Load) -> None:
    loaded = load(
        model(
            [helper.make_node("Cast", ["s"], ["y"], to=FLOAT)],
            [("s", STRING, [None, 1])],
            [("y", FLOAT, [None, 1])],
        )
    )
    assert loaded.answer({"s": ["1.5"]}) == {"y": [1.5]}
    with pytest.raises(ModelFailed, match="The model failed"):
        loaded.answer({"s": ["one"]})
    assert loaded.answer([]) == {"y": []}  # although a rehearsal fails


def test_rows_must_not_get_lost(load: Load) -> None:
    loaded = load(
        model(
            [helper.make_node("ReduceMean", ["x"], ["y"])],
            [("x", FLOAT, [None, 1])],
            [("y", FLOAT, [None, 1])],
        )
    )
    with pytest.raises(ModelFailed, match="has 1 rows for 2"):
        loaded.answer({"x": [1, 2]})
