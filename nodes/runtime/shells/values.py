"""Declared inputs as the objects that Python code works with (wire-api section 12)."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

_NUMBER_KINDS = ({int}, {float}, {int, float})
_FLOAT_KINDS = ({float}, {int, float})


def to_python(kind: str, value: Any) -> Any:
    """`value`, the plain form of `inputs.read_inputs`, as numpy or pandas object where declared."""
    if value is None:
        return None
    if kind == "vector":
        return _array(value)
    if kind == "matrix":
        return _matrix(value)
    if kind == "data.frame":
        return _data_frame(value)
    return value


def infer(value: Any) -> Any:
    """A value of undeclared type, as JSON has it, with an object of equal columns as frame."""
    if not isinstance(value, dict) or not value:
        return value
    columns = list(value.values())
    if not all(isinstance(column, list) for column in columns):
        return value
    cells = {type(cell) for column in columns for cell in column}
    if len({len(column) for column in columns}) > 1 or cells & {list, dict}:
        return value
    return _data_frame(value)


def _array(values: list[Any]) -> "np.ndarray[Any, Any]":
    kinds = set(map(type, values))
    if type(None) in kinds:
        if kinds - {type(None)} in (set(), *_NUMBER_KINDS):
            return np.array([np.nan if v is None else v for v in values], dtype=float)
        return np.array(values, dtype=object)
    if not kinds:
        return np.array([], dtype=float)
    if str in kinds and kinds != {str}:
        # Text and numbers share text as their common type; truth values as Python writes them.
        return np.array([str(value) for value in values])
    return np.array(values)


def _matrix(rows: list[list[Any]]) -> "np.matrix[Any, Any]":
    flat = [value for row in rows for value in row]
    width = len(rows[0]) if rows else 0
    # As a view, because making one directly warns that matrices are out of fashion.
    return _array(flat).reshape(len(rows), width).view(np.matrix)


def _data_frame(columns: dict[str, Any]) -> pd.DataFrame:
    if any(isinstance(column, np.ndarray) for column in columns.values()):  # no JSON
        return pd.DataFrame(
            {
                name: column if isinstance(column, np.ndarray) else _column(column)
                for name, column in columns.items()
            }
        )
    kinds = [set(map(type, column)) for column in columns.values()]
    # A column of whole numbers alone stays a column of integers.
    if kinds and set.union(*kinds) in _FLOAT_KINDS and all(float in each for each in kinds):
        # One block of one type: several times cheaper than a column at a time.
        block = np.array(list(columns.values()), dtype=float).T
        return pd.DataFrame(block, columns=_heading(tuple(columns)), copy=False)
    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _heading(names: tuple[str, ...]) -> "pd.Index[Any]":
    """The names as the columns of a frame; most calls of a service have the same ones."""
    index = _index(names)
    if tuple(np.asarray(index)) != names:  # code that went about it could write into the old one
        _index.cache_clear()
        index = _index(names)
    return index.view()  # its own `name` is the caller's


@lru_cache(maxsize=8)
def _index(names: tuple[str, ...]) -> "pd.Index[Any]":
    return pd.Index(names)


def _column(values: list[Any]) -> Any:
    kinds = set(map(type, values))
    if str in kinds:
        return pd.Series(values, dtype="str" if kinds <= {str, type(None)} else object)
    return _array(values)
