"""Items of a batch from a pasted or uploaded table."""

import json
from typing import Any

import pytest

from mlops.errors import InvalidRequest
from services.batches.tables import Table, read_table

pytestmark = pytest.mark.any_database

SCALARS = [("x", "numeric"), ("n", "integer"), ("on", "logical"), ("name", "character")]
FRAME = [("inputData", "data.frame")]


def table(text: str, declared: list[tuple[str, str]], *, max_items: int = 100) -> Table:
    return read_table(text, declared, max_items=max_items)


def items(text: str, declared: list[tuple[str, str]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(table(text, declared).body)
    return found


def test_each_row_is_an_item_of_the_declared_types() -> None:
    text = "x,n,on,name\n1,2,true,a\n-1.5e3,3.0,F,007\n"
    assert items(text, SCALARS) == [
        {"x": 1.0, "n": 2, "on": True, "name": "a"},
        {"x": -1500.0, "n": 3, "on": False, "name": "007"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_separate(delimiter: str) -> None:
    text = f'\ufeffname{delimiter}x\r\n"a, b; c"{delimiter}1\r\n'
    assert items(text, [("x", "numeric"), ("name", "character")]) == [{"x": 1.0, "name": "a, b; c"}]


def test_empty_cells_and_na_are_null_and_an_empty_text_is_one() -> None:
    assert items("x,n,on,name\n,NA,,\n", SCALARS) == [
        {"x": None, "n": None, "on": None, "name": ""}
    ]


def test_columns_are_found_in_any_case_and_order_and_others_are_left_out() -> None:
    found = table("id,X\n7,1\n", [("x", "numeric")])
    assert (json.loads(found.body), found.left_out) == ([{"x": 1.0}], ["id"])


def test_cells_of_other_types_are_json() -> None:
    declared = [("v", "vector"), ("m", "matrix"), ("d", "data.frame")]
    text = 'v,m,d\n"[1,2]","[[1,2],[3,4]]","{""a"":[1]}"\n'
    assert items(text, declared) == [{"v": [1, 2], "m": [[1, 2], [3, 4]], "d": {"a": [1]}}]


def test_columns_of_a_data_frame_are_a_row_of_it_and_have_one_type_each() -> None:
    text = "a,b,c,zip\n1,1,true,01234\n2,2.5,,56789\n"
    assert items(text, FRAME) == [
        {"inputData": {"a": [1], "b": [1.0], "c": [True], "zip": ["01234"]}},
        {"inputData": {"a": [2], "b": [2.5], "c": [None], "zip": ["56789"]}},
    ]


def test_a_json_array_is_taken_as_the_rest_api_takes_it() -> None:
    found = table(' [{"x": 1}, {"x": 2}]', [("x", "numeric")])
    assert (found.n_items, found.columns, found.first_rows) == (2, ["x"], [["1"], ["2"]])


def test_the_first_rows_are_shown_as_they_are_written_and_cut() -> None:
    found = table("name\n" + "y" * 500 + "\n" + "z\n" * 9, [("name", "character")])
    assert (found.n_items, len(found.first_rows)) == (10, 5)
    assert found.first_rows[0] == ["y" * 80 + "…"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There are no rows"),
        ("x\n", "Below the header there are no rows"),
        ("x,\n1,2\n", "Column 2 has no name"),
        ("x,x\n1,2\n", "Two columns are named x"),
        ("y\n1\n", r"no column for x \(numeric\). It names y"),
        ("x\n1\nmany\n", "Line 3, column x: 'many' is no number"),
        ("x\n1e999\n", "'1e999' is too large"),
        ("x,y\n1,2\n1\n", "Line 3 has 1 cells, the header has 2"),
        ('x\n"1\n', "is no CSV"),
        ("[1]", "Item 0: it must be a JSON object"),
        ('[{"x": "a"}]', r"Item 0: Input x \(numeric\): must be a number"),
        ("x\n" + "1\n" * 101, "more than 100 items"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        table(text, [("x", "numeric")])


@pytest.mark.parametrize(
    ("declared", "cell", "said"),
    [("integer", "1.5", "whole number"), ("logical", "2", "neither"), ("vector", "[1", "JSON")],
)
def test_cells_that_do_not_fit_their_type_are_refused(declared: str, cell: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        table(f"v\n{cell}\n", [("v", declared)])


def test_two_frames_need_columns_of_their_own() -> None:
    with pytest.raises(InvalidRequest, match="no column for"):
        table("a\n1\n", [("one", "data.frame"), ("two", "data.frame")])
