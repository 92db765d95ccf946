"""Python code cannot tell in which format a data frame came."""

from typing import Any

import numpy as np
import orjson
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.runtime.formats import arrow_stream, csv_text
from nodes.runtime.formats.columns import compact, pack, unpack
from nodes.runtime.inputs import read_inputs
from nodes.runtime.shells.values import to_python

KINDS: list[st.SearchStrategy[Any]] = [
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    # Texts that CSV does not take for anything else.
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r")).map(lambda text: f"t{text}"),
]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Columns of one type each, some with missing cells; the last has none missing."""
    n_rows = draw(st.integers(1, 5))
    columns: dict[str, list[Any]] = {}
    for number, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), max_size=4))):
        cell = draw(st.sampled_from([kind, st.none() | kind]))
        columns[f"x{number}, é"] = draw(st.lists(cell, min_size=n_rows, max_size=n_rows))
    return {**columns, "last": [True] * n_rows}


def frame(columns: Any) -> pd.DataFrame:
    made = to_python("data.frame", columns)
    assert isinstance(made, pd.DataFrame)
    return made


@settings(deadline=None)
@given(tables())
def test_code_gets_the_same_frame_from_all_formats(table: dict[str, list[Any]]) -> None:
    body = orjson.dumps({"table": table})
    expected = frame(read_inputs(body, [("table", "data.frame")])["table"])
    columns = {name: compact(cells) for name, cells in table.items()}
    for columns_again in (
        unpack(pack(columns)),
        arrow_stream.read(arrow_stream.write(columns)),
        arrow_stream.read(arrow_stream.write(table)),
        csv_text.read(csv_text.write(columns)),
        csv_text.read(csv_text.write(table)),
    ):
        pd.testing.assert_frame_equal(frame(columns_again), expected)


def test_code_may_change_a_frame_in_place() -> None:
    made = frame(arrow_stream.read(arrow_stream.write({"x": np.array([1.0, 2.0])})))
    made.loc[0, "x"] = 7.0
    assert made["x"].tolist() == [7.0, 2.0]
