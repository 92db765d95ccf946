"""CSV: how columns get their types, and what is refused."""

from typing import Any

import numpy as np
import pytest

from nodes.runtime.formats import csv_text
from nodes.runtime.inputs import InputError


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (["1", "-2"], [1, -2]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["TRUE", "false"], [True, False]),
        (["TRUE", "NA"], [True, None]),
        (["a", "", "NA", "1"], ["a", None, None, "1"]),
        (["1_000"], ["1_000"]),
        (["123456789012345678901"], [1.2345678901234568e20]),
        (["1,2", "3"], ["1,2", "3"]),
        (["null", "1"], ["null", "1"]),
        ([".5", "+1"], [0.5, 1.0]),
        (["Inf", "-Inf"], [float("inf"), float("-inf")]),
    ],
)
def test_a_column_has_the_type_of_all_its_fields(fields: list[str], found: list[Any]) -> None:
    text = "first,x\n" + "".join(f'0,"{field}"\n' for field in fields)
    column = csv_text.read(text.encode())["x"]
    assert (column if isinstance(column, list) else column.tolist()) == found


def test_a_missing_number_is_nan() -> None:
    column = csv_text.read(b"x,y\n1,0\n,0\n")["x"]
    assert isinstance(column, np.ndarray)
    np.testing.assert_array_equal(column, [1.0, np.nan])


def test_what_spreadsheets_write_is_read() -> None:
    columns = csv_text.read(b'\xef\xbb\xbf"a b","c"\r\n"1,5","two\r\nlines"\r\n')
    assert columns == {"a b": ["1,5"], "c": ["two\r\nlines"]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "first line"),
        (b",a\n1,2\n", "row.names = FALSE"),
        (b"a,a\n1,2\n", "'a' twice"),
        (b"a,b\n1,2\n1\n", "Row 2 of the CSV has 1 fields"),
        (b'a\n"x', "not valid CSV"),
        (b"a\n\xff\n", "byte 2"),
    ],
)
def test_a_table_that_is_none_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        csv_text.read(body)


def test_what_is_written_says_missing_by_nothing() -> None:
    columns = {
        "f": np.array([0.1, np.nan, np.inf], dtype=np.float32),
        "n": [1, None, 2.5],
        "s": ["a,b", None, "é"],
        "l": np.array([True, False, True]),
    }
    written = csv_text.write(columns).decode()
    assert written == 'f,n,s,l\n0.1,1,"a,b",true\n,,,false\nInf,2.5,é,true\n'
