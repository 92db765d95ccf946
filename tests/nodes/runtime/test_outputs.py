"""Python objects by declared type as JSON."""

import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import uuid
from collections import OrderedDict, deque, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nodes.runtime.shells import outputs
from nodes.runtime.shells.outputs import OutputError, encode_outputs


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    pass


class Number(float):
    pass


Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Record:
    x: int


@pytest.fixture(params=["orjson", "json"], autouse=True)
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to encode: an interpreter of shells need not have orjson."""
    name: str = request.param
    if name == "json":
        monkeypatch.setattr(outputs, "orjson", None)
    return name


def encoded(kind: str, value: Any) -> str:
    text = encode_outputs({"x": (kind, value)}).decode()
    return text.removeprefix('{"x":').removesuffix("}")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 3, "3"),
        ("integer", 3.0, "3"),
        ("integer", 2.5, "2.5"),
        ("integer", True, "1"),
        ("integer", np.int32(7), "7"),
        ("integer", np.float64(7), "7"),
        ("integer", 2**70, str(2**70)),
        ("integer", Level.HIGH, "3"),
        ("integer", float("nan"), "null"),
        ("integer", "three", '"three"'),
        ("numeric", 0.1, "0.1"),
        ("numeric", 3, "3"),
        ("numeric", True, "1.0"),
        ("numeric", np.float64(0.1), "0.1"),
        ("numeric", np.array(0.5), "0.5"),
        ("numeric", np.array([0.5]), "0.5"),
        ("numeric", np.array([[0.5]]), "0.5"),
        ("numeric", pd.Series([0.5], index=[9]), "0.5"),
        ("numeric", pd.DataFrame({"a": [0.5]}), "0.5"),
        ("numeric", [0.5], "0.5"),
        ("numeric", [0.5, 1.5], "[0.5,1.5]"),
        ("numeric", float("inf"), "null"),
        ("numeric", np.nan, "null"),
        ("numeric", None, "null"),
        ("numeric", Number(0.5), "0.5"),
        ("numeric", decimal.Decimal("1.5"), "1.5"),
        ("numeric", decimal.Decimal("NaN"), "null"),
        ("numeric", fractions.Fraction(1, 4), "0.25"),
        ("logical", True, "true"),
        ("logical", np.bool_(False), "false"),
        ("logical", 1, "true"),
        ("logical", np.array([True]), "true"),
        ("logical", 5, "5"),
        ("logical", pd.NA, "null"),
        ("character", "é", '"é"'),
        ("character", Text("a"), '"a"'),
        ("character", np.str_("a"), '"a"'),
        ("character", np.array(["a"]), '"a"'),
        ("character", 5, '"5"'),
        ("character", Colour.RED, '"red"'),
        ("character", datetime.date(2024, 2, 29), '"2024-02-29"'),
        ("character", datetime.datetime(2024, 2, 29, 1, 2, 3), '"2024-02-29T01:02:03"'),
        ("character", pd.Timestamp("2024-02-29T01:02:03Z"), '"2024-02-29T01:02:03+00:00"'),
        ("character", np.datetime64("2024-02-29"), '"2024-02-29T00:00:00"'),
        ("character", pd.NaT, "null"),
        ("character", np.datetime64("NaT"), "null"),
        ("character", uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ("character", Path("a/b"), '"a/b"'),
        ("character", datetime.timedelta(seconds=90), '"P0DT0H1M30S"'),
    ],
)
def test_a_scalar_travels_unboxed(kind: str, value: Any, expected: str) -> None:
    text = encoded(kind, value)
    assert json.loads(text) == json.loads(expected)
    assert type(json.loads(text)) is type(json.loads(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([1, 2]), [1, 2]),
        (np.array([1.5, np.nan, -np.inf]), [1.5, None, None]),
        (np.array([0.1], dtype=np.float32), [float(np.float32(0.1))]),
        (np.array([5]), [5]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(["a", None], dtype=object), ["a", None]),
        (np.array([True, False]), [True, False]),
        (np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"), ["2024-01-01T00:00:00", None]),
        (np.array([[1, 2, 3]]).view(np.matrix), [1, 2, 3]),
        (np.array([[1], [2]]), [1, 2]),
        (np.longdouble([0.5]), [0.5]),
        (pd.Series([1, 2], index=["b", "a"]), [1, 2]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series(["x", "y", None], dtype="category"), ["x", "y", None]),
        (pd.Series(pd.to_datetime(["2024-01-01", None])), ["2024-01-01T00:00:00", None]),
        (pd.Index([1, 2]), [1, 2]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        (pd.DataFrame({"only": [1, 2]}), [1, 2]),
        ([1, "a", None, [2]], [1, "a", None, [2]]),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        ({3}, [3]),
        (frozenset({3}), [3]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.keys(), ["a"]),
        ([np.int64(1), np.float64("nan")], [1, None]),
        ([2**70], [2**70]),
        ("one string", "one string"),
        (5, 5),
        ([], []),
        (None, None),
    ],
)
def test_a_vector_is_an_array_without_names(value: Any, expected: Any) -> None:
    assert json.loads(encoded("vector", value)) == expected


def test_an_iterator_is_read_to_its_end() -> None:
    assert encoded("vector", (number for number in (1, 2))) == "[1,2]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([[1, 2], [3, 4]]).view(np.matrix), [[1, 2], [3, 4]]),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.array([[5]]).view(np.matrix), [[5]]),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), [[1, 3], [2, 4]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (np.array([["a", "b"]]), [["a", "b"]]),
        (np.zeros((0, 2)), []),
    ],
)
def test_a_matrix_is_an_array_of_rows(value: Any, expected: Any) -> None:
    assert json.loads(encoded("matrix", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pd.DataFrame({"b": [1, 2], "a": ["x", None]}), '{"b":[1,2],"a":["x",null]}'),
        (pd.DataFrame({"a": [1]}, index=["row"]), '{"a":[1]}'),
        (pd.DataFrame({"a": [1.5, np.nan]}), '{"a":[1.5,null]}'),
        (pd.DataFrame({"a": []}), '{"a":[]}'),
        (pd.DataFrame({0: [1], 1: [2]}), '{"0":[1],"1":[2]}'),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), '{"a":[1],"a.1":[2]}'),
        (pd.DataFrame({("a", "b"): [1]}), '{"a.b":[1]}'),
        (pd.DataFrame({"f": pd.Categorical(["u"])}), '{"f":["u"]}'),
        (pd.Series([1], name="s"), '{"s":[1]}'),
        (np.array([(1, 2.5)], dtype=[("i", int), ("f", float)]), '{"i":[1],"f":[2.5]}'),
        ({"a": [1, 2]}, '{"a":[1,2]}'),
        (OrderedDict(a=np.array([1])), '{"a":[1]}'),
        ([{"a": 1}, {"a": 2}], '{"a":[1,2]}'),
    ],
)
def test_a_data_frame_is_an_object_of_columns_in_order(value: Any, expected: str) -> None:
    assert json.dumps(json.loads(encoded("data.frame", value))) == json.dumps(json.loads(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({1: "a", None: "b"}, None),
        ({1: "a", 2.5: "c", np.int64(4): "d"}, {"1": "a", "2.5": "c", "4": "d"}),
        ({"a": {"b": [np.array([1])]}}, {"a": {"b": [[1]]}}),
        ({datetime.date(2024, 1, 1): 1}, {"2024-01-01": 1}),
    ],
)
def test_objects_keep_their_members(value: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(OutputError, match="key of type NoneType"):
            encoded("vector", value)
    else:
        assert json.loads(encoded("vector", value)) == expected


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "type object"),
        ([{"deep": object()}], "type object"),
        (1j, "type complex"),
        (np.array([1j]), "complex128"),
        (b"bytes", "type bytes"),
        (np.array([b"bytes"]), "bytes"),
        (lambda: 1, "type function"),
        (Record(1), "Record"),
        (circle(), "contains itself"),
        (np, "type module"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_json_cannot_hold_is_refused_with_output_and_type(value: Any, reason: str) -> None:
    with pytest.raises(OutputError) as refusal:
        encode_outputs({"fine": ("numeric", 1), "x": ("vector", value)})
    assert str(refusal.value).startswith("Output x (vector) cannot be represented in JSON")
    assert reason in str(refusal.value)


def test_several_outputs_are_one_object_in_declared_order() -> None:
    values = {"b": ("integer", 1), "a": ("vector", np.array([1.5]))}
    assert encode_outputs(values) == b'{"b":1,"a":[1.5]}'


def test_a_name_and_a_text_with_quotes_stay_valid() -> None:
    text = encode_outputs({'a"b': ("character", 'c"\n\ud800')})
    assert json.loads(text) == {'a"b': 'c"\n?'}
