"""The caller's JSON by declared type: what is taken, what it becomes, what is refused."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nodes.runtime.inputs import InputError, read_inputs, strict_json
from nodes.runtime.shells.values import to_python


def read(kind: str, text: str) -> Any:
    return read_inputs(f'{{"x":{text}}}'.encode(), [("x", kind)])["x"]


def bound(kind: str, text: str) -> Any:
    """What user code finds in its variable."""
    return to_python(kind, read(kind, text))


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "3", 3),
        ("integer", "3.0", 3),
        ("integer", "123456789012345678901", 123456789012345678901),
        ("integer", "null", None),
        ("integer", "NaN", None),
        ("numeric", "3", 3.0),
        ("numeric", "-1.5e3", -1500.0),
        ("numeric", "Infinity", math.inf),
        ("numeric", "-Infinity", -math.inf),
        ("numeric", "null", None),
        ("logical", "true", True),
        ("logical", "null", None),
        ("character", '"é\\u0000"', "é\0"),
        ("character", '""', ""),
        ("character", "null", None),
    ],
)
def test_a_scalar_becomes_a_python_scalar(kind: str, text: str, expected: Any) -> None:
    value = bound(kind, text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1,2]", np.array([1, 2])),
        ("[1,2.5]", np.array([1.0, 2.5])),
        ("[1,null]", np.array([1.0, np.nan])),
        ("[null]", np.array([np.nan])),
        ("[NaN,Infinity]", np.array([np.nan, np.inf])),
        ("[true,false]", np.array([True, False])),
        ('["a","bc"]', np.array(["a", "bc"])),
        ('["a",null]', np.array(["a", None], dtype=object)),
        ("[true,null]", np.array([True, None], dtype=object)),
        ('[1,"a"]', np.array(["1", "a"])),
        ("[]", np.array([])),
        ("5", np.array([5])),
        ('"a"', np.array(["a"])),
    ],
)
def test_a_vector_becomes_an_array(text: str, expected: Any) -> None:
    value = bound("vector", text)
    assert value.dtype == expected.dtype
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("[[1,null]]", [[1.0, math.nan]]),
        ('[["a","b"]]', [["a", "b"]]),
        ("[[true],[false]]", [[True], [False]]),
        ("7", [[7]]),
        ("[1,2,3]", [[1], [2], [3]]),
    ],
)
def test_a_matrix_becomes_a_numpy_matrix(text: str, expected: Any) -> None:
    value = bound("matrix", text)
    assert isinstance(value, np.matrix)
    np.testing.assert_array_equal(np.asarray(value), np.array(expected))


def test_a_matrix_without_rows_has_none() -> None:
    assert bound("matrix", "[]").shape == (0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"b":[1,2],"a":["x","y"]}', {"b": [1, 2], "a": ["x", "y"]}),
        ('{"a":[1.5,2],"b":[3,4.5]}', {"a": [1.5, 2.0], "b": [3.0, 4.5]}),
        ('{"a":[1,2],"b":[3,4.5]}', {"a": [1, 2], "b": [3.0, 4.5]}),
        ('{"a":[1,null]}', {"a": [1.0, np.nan]}),
        ('{"a":[null,null]}', {"a": [np.nan, np.nan]}),
        ('{"a":["x",null]}', {"a": ["x", None]}),
        ('{"a":[true,false]}', {"a": [True, False]}),
        ('{"a":5}', {"a": [5]}),
        ('[{"b":1,"a":"x"},{"b":2,"a":"y"}]', {"b": [1, 2], "a": ["x", "y"]}),
        ('[{"a":1},{"b":2}]', {"a": [1, np.nan], "b": [np.nan, 2]}),
    ],
)
def test_a_data_frame_becomes_a_pandas_one_with_its_columns_in_order(
    text: str, expected: dict[str, list[Any]]
) -> None:
    pd.testing.assert_frame_equal(bound("data.frame", text), pd.DataFrame(expected))


@pytest.mark.parametrize(
    ("text", "shape"), [('{"a":[],"b":[]}', (0, 2)), ("[]", (0, 0)), ("{}", (0, 0))]
)
def test_a_data_frame_may_have_no_rows(text: str, shape: tuple[int, int]) -> None:
    assert bound("data.frame", text).shape == shape


@pytest.mark.parametrize("kind", ["vector", "matrix", "data.frame"])
def test_null_in_place_of_a_collection_is_none(kind: str) -> None:
    assert bound(kind, "null") is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("integer", text) for text in ("1.5", "true", '"1"', "[1]", "{}", "Infinity")),
        *(("numeric", text) for text in ("true", '"1"', "[1]", "{}", "1" * 400)),
        *(("logical", text) for text in ("1", '"true"', "[true]", "{}")),
        *(("character", text) for text in ("1", "true", '["a"]', "{}")),
        *(("vector", text) for text in ('{"a":1}', "[[1]]", "[{}]")),
        *(("matrix", text) for text in ('{"a":1}', "[[1],[1,2]]", "[[[1]]]", "[[{}]]")),
        *(("data.frame", text) for text in ("1", '"a"', "[1]", "[[1]]", '{"a":{"0":1}}')),
        ("data.frame", '{"a":[1,2],"b":[1]}'),
        ("data.frame", '{"a":[[1]]}'),
        ("data.frame", '[{"a":[1]}]'),
    ],
)
def test_the_wrong_kind_is_refused_by_name(kind: str, text: str) -> None:
    with pytest.raises(InputError) as refusal:
        read(kind, text)
    assert refusal.value.fields == "x"
    assert f"Input x ({kind})" in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b"", b"{'x':1}", b'{"x":1}}', b'\xff{"x":1}', b"[" * 100_000, b'{"x":1'],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="JSON"):
        read_inputs(body, [("x", "numeric")])


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="object"):
        read_inputs(body, [("x", "numeric")])


def test_all_missing_inputs_are_named() -> None:
    with pytest.raises(InputError) as refusal:
        read_inputs(b'{"b":1}', [("a", "numeric"), ("b", "numeric"), ("c", "numeric")])
    assert refusal.value.fields == "a, c"


def test_names_match_in_any_case_but_the_exact_one_wins() -> None:
    declared = [("hp", "numeric"), ("WT", "numeric")]
    assert read_inputs(b'{"HP":1,"hp":2,"wt":3}', declared) == {"hp": 2, "WT": 3}


def test_undeclared_inputs_are_ignored() -> None:
    assert read_inputs(b'{"x":1,"y":{"deep":[]}}', [("x", "numeric")]) == {"x": 1}


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"y":1}', b"\xef\xbb\xbf"])
def test_without_declared_inputs_an_empty_body_will_do(body: bytes) -> None:
    assert read_inputs(body, []) == {}


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read_inputs(b'\xef\xbb\xbf{"x":1}', [("x", "numeric")]) == {"x": 1}


def test_declared_inputs_are_found_and_written_as_strict_json() -> None:
    declared = [("x", "data.frame"), ("y", "vector"), ("z", "character")]
    body = b'{"X":[{"a":1,"b":NaN},{"a":-Infinity}],"y":5,"z":"NaN \\" Infinity","more":1}'
    text = strict_json(read_inputs(body, declared))
    assert text == (b'{"x":{"a":[1,-1e999],"b":[null,null]},"y":[5],"z":"NaN \\" Infinity"}')
    assert json.loads(text)["x"]["a"][1] == -math.inf
