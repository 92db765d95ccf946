"""The data frame that Python code has made, as the body of an answer that is no JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..formats import bodies
from ..formats.columns import Column, as_column
from .outputs import OutputError, column_names, plain, shape_frame


def encode_frame(name: str, value: Any, form: str) -> bytes:
    """The frame as CSV or Arrow; `OutputError` when it is none, or one with more than cells."""
    frame = shape_frame(value)
    if isinstance(frame, Mapping):
        try:
            frame = pd.DataFrame(frame)
        except ValueError:
            frame = None  # no columns of one length
    if not isinstance(frame, pd.DataFrame):
        raise OutputError(f"Output {name} is to be a data frame, not {type(value).__name__}.")
    try:
        columns = {
            unique: _column(frame.iloc[:, place])
            for place, unique in enumerate(column_names(frame))
        }
        return bodies.write(columns, form)
    except (OutputError, ValueError) as error:
        raise OutputError(f"Output {name} cannot be represented: {error}.") from None


def _column(series: "pd.Series[Any]") -> Column:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return as_column(series.to_numpy())
    cells = plain(series)
    return cells if isinstance(cells, list) else list(cells)
