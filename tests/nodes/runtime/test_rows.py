"""Calls put together by their rows: each gets, to the byte, what it would have got alone."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.runtime.groups import Group, grouped, together
from nodes.runtime.inputs import read_inputs
from nodes.runtime.shells.outputs import encode_outputs
from nodes.runtime.shells.rows import KINDS, NotByRows, encode_apart
from nodes.runtime.shells.values import to_python

MAX_ROWS = 12
Call = dict[str, Any]

_CELLS = [
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**66), 2**66),
    st.integers(-3, 3),
    st.booleans(),
    st.text(max_size=3),
    st.none(),
]
# Mostly columns of one type, now and then of any mixture.
_COLUMN = st.sampled_from([*_CELLS, st.one_of(*_CELLS), st.one_of(_CELLS[0], _CELLS[2])])


Values = st.SearchStrategy[Any]


def frames(names: list[str], columns: list[Values]) -> Values:
    return st.lists(st.tuples(*columns[: len(names)]), max_size=4).map(
        lambda rows: {name: [row[place] for row in rows] for place, name in enumerate(names)}
    )


def vectors(column: Values) -> Values:
    return st.lists(column, max_size=4)


def matrices(width: int, column: Values) -> Values:
    return st.lists(st.lists(column, min_size=width, max_size=width), max_size=4)


# What callers of one service send: values that were made alike, but for the odd one out.
ALIKE: dict[str, st.SearchStrategy[Values]] = {
    "data.frame": st.builds(
        frames,
        st.sampled_from([["a"], ["a", "b"], ["b", "a"]]),
        st.lists(_COLUMN, min_size=2, max_size=2),
    ),
    "vector": st.builds(vectors, _COLUMN),
    "matrix": st.builds(matrices, st.integers(0, 2), _COLUMN),
}


def bound(call: Call, declared: list[tuple[str, str]]) -> Call:
    return {name: to_python(kind, call[name]) for name, kind in declared}


def read(calls: list[Call], declared: list[tuple[str, str]]) -> list[tuple[int, Call]]:
    bodies = [json.dumps(call).encode() for call in calls]
    return [(place, read_inputs(body, declared)) for place, body in enumerate(bodies)]


def types(value: Any) -> Any:
    """What code could notice of the types in its variable."""
    if isinstance(value, pd.DataFrame):
        return list(value.columns), list(value.dtypes)
    if isinstance(value, np.ndarray):
        # How long texts may be is not looked at.
        return type(value), value.ndim, value.dtype.kind, value.shape[1:]
    return type(value), value


def check(kind: str, calls: list[Any], out: str, code: Callable[[Any], Any]) -> None:
    """Every call in a group gets from `code` what it gets alone."""
    declared = [("x", kind)]
    for group in grouped(
        read([{"x": value} for value in calls], declared), declared, MAX_ROWS, KINDS
    ):
        assert len(group.places) > 1
        assert group.total <= MAX_ROWS
        merged = bound(together(group, declared), declared)
        alone = [bound(inputs, declared) for inputs in group.inputs]
        assert {str(types(each["x"])) for each in (merged, *alone)} == {str(types(merged["x"]))}
        expected = [encode_outputs({"y": (out, code(each["x"]))}) for each in alone]
        assert encode_apart({"y": (out, code(merged["x"]))}, group) == expected


ROW_BY_ROW: dict[str, dict[str, Callable[[Any], Any]]] = {
    "data.frame": {
        "the frame": lambda x: x,
        "its first column": lambda x: x.iloc[:, 0],
        "a frame of it": lambda x: x.iloc[:, [0]],
        "its cells": lambda x: x.to_numpy(),
        "rows": lambda x: x.to_dict("records"),
        "texts": lambda x: [str(cell) for cell in x.iloc[:, 0]],
        "dates": lambda x: pd.to_datetime(x.iloc[:, 0].map(lambda cell: len(str(cell)))),
        "categories": lambda x: x.iloc[:, 0].astype(str).astype("category"),
        "nothing": lambda _: None,
    },
    "vector": {
        "the vector": lambda x: x,
        "a list": lambda x: list(x),
        "a tuple": lambda x: tuple(x.tolist()),
        "a column": lambda x: x.reshape(-1, 1),
        "a series": lambda x: pd.Series(x),
        "small floats": lambda x: np.array([len(str(each)) for each in x], dtype=np.float32),
    },
    "matrix": {
        "the matrix": lambda x: x,
        "an array": lambda x: np.asarray(x),
        "a frame": lambda x: pd.DataFrame(np.asarray(x)),
    },
}


@pytest.mark.parametrize("kind", ALIKE)
@settings(deadline=None)  # where many tests run a call may take its time
@given(data=st.data())
def test_each_call_gets_what_it_would_get_alone(kind: str, data: st.DataObject) -> None:
    alike, other = data.draw(ALIKE[kind]), data.draw(ALIKE[kind])
    calls = data.draw(st.lists(st.one_of(alike, alike, alike, other), min_size=2, max_size=8))
    code = data.draw(st.sampled_from(list(ROW_BY_ROW[kind].values())))
    check(kind, calls, data.draw(st.sampled_from(["data.frame", "vector", "matrix"])), code)


def groups(kind: str, *values: Any, max_rows: int = MAX_ROWS) -> list[list[int]]:
    declared = [("x", kind)]
    found = grouped(read([{"x": value} for value in values], declared), declared, max_rows, KINDS)
    return [group.places for group in found]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("data.frame", [{"a": [1.5]}, {"a": [None]}, {"a": [1, 2.5]}]),
        ("data.frame", [{"a": ["x"]}, {"a": ["y", None]}]),
        ("data.frame", [[{"a": 1}], {"a": [2]}]),
        ("vector", [[True], [False, True]]),
        ("matrix", [[[1, 2]], [[3, 4], [5, 6]]]),
    ],
)
def test_calls_of_one_form_go_together(kind: str, values: list[Any]) -> None:
    assert groups(kind, *values) == [list(range(len(values)))]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("data.frame", [{"a": [1]}, {"a": [1.5]}]),
        ("data.frame", [{"a": [1]}, {"b": [1]}]),
        ("data.frame", [{"a": [1], "b": [1]}, {"b": [1], "a": [1]}]),
        ("data.frame", [{"a": [2**63]}, {"a": [1]}]),
        ("data.frame", [{}, {}]),
        ("data.frame", [{"a": []}, {"a": []}]),
        ("data.frame", [None, None]),
        ("vector", [["x"], [1]]),
        ("vector", [[True, 1], [True, 1]]),
        ("matrix", [[[1, 2]], [[1]]]),
    ],
)
def test_calls_of_other_forms_do_not(kind: str, values: list[Any]) -> None:
    assert groups(kind, *values) == []


def test_a_group_has_so_many_rows_at_most() -> None:
    assert groups("vector", [1], [2, 3], [4], [5, 6], max_rows=3) == [[0, 1], [2, 3]]
    assert groups("vector", [1, 2, 3, 4], [1], [2], max_rows=3) == [[1, 2]]


def test_single_values_must_be_the_same_for_all() -> None:
    declared = [("x", "vector"), ("rate", "numeric"), ("name", "character")]
    values: list[tuple[Any, Any]] = [(1, "a"), (1.0, "a"), (1, "b"), (None, "a"), (-0.0, "a")]
    calls = [{"x": [1], "rate": rate, "name": name} for rate, name in [*values, *values[-2:]]]
    found = grouped(read(calls, declared), declared, MAX_ROWS, KINDS)
    assert [group.places for group in found] == [[0, 1], [3, 5], [4, 6]]


def test_inputs_of_different_lengths_go_with_nothing() -> None:
    declared = [("x", "vector"), ("y", "vector")]
    calls = [{"x": [1, 2], "y": [1]}] * 2
    assert grouped(read(calls, declared), declared, MAX_ROWS, KINDS) == []


@pytest.mark.parametrize(
    "value", [[1, 2, 3, 4], [1, 2], 3, "abc", np.array(3), {"a": [1, 2, 3]}, np.zeros((2, 3))]
)
def test_what_has_not_a_row_for_each_is_not_taken_apart(value: Any) -> None:
    group = Group([0, 1], [], [1, 2])
    with pytest.raises(NotByRows):
        encode_apart({"y": ("vector", value)}, group)


@pytest.mark.parametrize(
    "order",
    [
        lambda frame: frame.sort_values("a"),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame["a"].sort_values(),
        lambda frame: frame.set_index("a"),
    ],
)
def test_rows_in_another_order_are_not_taken_apart(order: Callable[[pd.DataFrame], Any]) -> None:
    value = order(pd.DataFrame({"a": [3, 1, 2], "b": [0.5, 1.5, 2.5]}))
    group = Group([0, 1], [], [1, 2])
    with pytest.raises(NotByRows):
        encode_apart({"y": ("data.frame", value)}, group)


def test_rows_that_are_numbered_as_they_were_are_taken_apart() -> None:
    frame = pd.DataFrame({"a": [3, 1, 2]}, index=[0, 1, 2])
    group = Group([0, 1], [], [1, 2])
    pieces = encode_apart({"y": ("data.frame", frame)}, group)
    assert [json.loads(piece) for piece in pieces] == [{"y": {"a": [3]}}, {"y": {"a": [1, 2]}}]
