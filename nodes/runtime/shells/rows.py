"""What Python's types say of which calls go together, and what comes of those taken apart again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..groups import FLOAT, Group, Kinds
from .outputs import columns, encode_outputs

_INT64 = range(-(2**63), 2**63)
_INTEGER, _LOGICAL, _TEXT = "ibs"
_NONE = type(None)
# What becomes of values of these types, in a column and in an array alike (values.py).
_KINDS: dict[frozenset[type], str] = {
    frozenset({float}): FLOAT,
    frozenset({int, float}): FLOAT,
    frozenset({float, _NONE}): FLOAT,
    frozenset({int, _NONE}): FLOAT,
    frozenset({int, float, _NONE}): FLOAT,
    frozenset({_NONE}): FLOAT,
    frozenset({int}): _INTEGER,
    frozenset({bool}): _LOGICAL,
    frozenset({bool, _NONE}): "objects: logical",
    frozenset({str}): _TEXT,
    frozenset({str, _NONE}): "objects: text",
}
_PLAIN_DTYPES = (np.dtype(float), np.dtype(int), np.dtype(bool))


class NotByRows(Exception):  # noqa: N818 - named for what happened
    """What came out has not one row for each row that went in, at the same place."""


def encode_apart(values: dict[str, tuple[str, Any]], group: Group) -> list[bytes]:
    """The JSON object of outputs of each call, see `encode_outputs`; `NotByRows`."""
    pieces = {
        name: (kind, _apart(kind, value, group.n_rows)) for name, (kind, value) in values.items()
    }
    return [
        encode_outputs({name: (kind, parts[index]) for name, (kind, parts) in pieces.items()})
        for index in range(len(group.places))
    ]


def _array_kind(values: list[Any]) -> str | None:
    types = frozenset(map(type, values))
    # Beyond 64 bits numpy takes another type for the whole column.
    if int in types and any(type(value) is int and value not in _INT64 for value in values):
        return None
    return _KINDS.get(types)


def _column_kind(values: list[Any]) -> str | None:
    # Texts and gaps share the type of text columns, which arrays do not have.
    kind = _array_kind(values)
    return _TEXT if kind == "objects: text" else kind


KINDS = Kinds(of_column=_column_kind, of_array=_array_kind)


def _apart(kind: str, value: Any, n_rows: Sequence[int]) -> list[Any]:
    """The piece of each call, of which `encode_outputs` makes what it would make of it alone."""
    if value is None:  # never assigned
        return [None] * len(n_rows)
    if isinstance(value, pd.DataFrame | pd.Series):
        _require_order(value.index)
    if kind == "data.frame" and isinstance(value, pd.DataFrame):
        _require_rows(value, n_rows)
        frame = columns(value)
        sliced = [_slices(column, n_rows) for column in frame.values()]
        return [
            dict(zip(frame, (parts[index] for parts in sliced), strict=True))
            for index in range(len(n_rows))
        ]
    if type(value) is np.ndarray and value.ndim == 1 and value.dtype in _PLAIN_DTYPES:
        _require_rows(value, n_rows)
        return _slices(value.tolist(), n_rows)
    if isinstance(value, pd.DataFrame | pd.Series):
        _require_rows(value, n_rows)
        return _slices(value.iloc, n_rows)
    if isinstance(value, list | tuple | pd.Index) or (isinstance(value, np.ndarray) and value.ndim):
        _require_rows(value, n_rows)
        return _slices(value, n_rows)
    raise NotByRows


def _require_rows(value: Any, n_rows: Sequence[int]) -> None:
    if len(value) != sum(n_rows):
        raise NotByRows


def _require_order(index: pd.Index) -> None:
    """Rows that were sorted would go to other callers; the numbers they were given tell of it."""
    if isinstance(index, pd.RangeIndex):
        is_kept = index.start == 0 and index.step == 1
    else:
        is_kept = index.dtype.kind != "i" or bool((index == np.arange(len(index))).all())
    if not is_kept:
        raise NotByRows


def _slices(value: Any, n_rows: Sequence[int]) -> list[Any]:
    pieces = []
    start = 0
    for count in n_rows:
        pieces.append(value[start : start + count])
        start += count
    return pieces
