"""The columns of a data frame, in memory and packed into bytes.

A column is an array of float64, float32, int64 or bool, where NaN is a missing number; or a list of
cells as JSON has them, None where one is missing. Packed they are the length of a head (u32,
big-endian), the head (JSON, `{"columns": [[name, kind, [size, …]], …]}`) and the columns' bytes in
the byte order of the machine:

    double       float64, NaN where missing
    single       float32, the same
    integer      int64
    logical      a byte each, 0 or 1
    r-integer    int32, the smallest of them where missing
    r-logical    a byte each, 2 where missing
    text, cells  JSON arrays, one after the other

R shells write the same format (r_shell/columns.R).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..fast_json import orjson
from ..pieces import Pieces, sliced

Array = np.ndarray[Any, Any]
Column = Array | list[Any]
Columns = Mapping[str, Column]

_PREFIX_BYTES = 4
# Whoever parses JSON keeps all other threads of its process waiting meanwhile.
_CELLS_AT_A_TIME = 8192
_DTYPES = {"double": np.float64, "single": np.float32, "integer": np.int64, "r-integer": np.int32}
_KINDS = {
    np.dtype(np.float64): "double",
    np.dtype(np.float32): "single",
    np.dtype(np.int64): "integer",
    np.dtype(bool): "logical",
}
_NA_INTEGER = -(2**31)
_NA_LOGICAL = 2
_NONE = type(None)


def pack(columns: Columns) -> bytes:
    """The columns as bytes."""
    described = []
    parts: list[bytes | memoryview] = []
    for name, column in columns.items():
        if isinstance(column, list):
            kind = "text" if set(map(type, column)) <= {str, _NONE} else "cells"
            pieces: list[bytes | memoryview] = [
                _dumps(column[start : start + _CELLS_AT_A_TIME])
                for start in range(0, len(column), _CELLS_AT_A_TIME)
            ]
        else:
            kind = _KINDS[column.dtype]
            pieces = [np.ascontiguousarray(column).view(np.uint8).data]
        described.append([name, kind, list(map(len, pieces))])
        parts += pieces
    head = json.dumps({"columns": described}).encode()
    whole = Pieces()
    whole.add(len(head).to_bytes(_PREFIX_BYTES) + head)
    for part in parts:
        for piece in sliced(part):
            whole.add(piece)
    return whole.whole()


def unpack(data: bytes) -> dict[str, Column]:
    """What `pack` was given; the arrays are views of `data`, and not to be written to."""
    start = _PREFIX_BYTES + int.from_bytes(data[:_PREFIX_BYTES])
    head = json.loads(data[_PREFIX_BYTES:start])
    columns: dict[str, Column] = {}
    view = memoryview(data).toreadonly()
    for name, kind, sizes in head["columns"]:
        pieces = []
        for size in sizes:
            pieces.append(view[start : start + size])
            start += size
        columns[name] = _column(kind, pieces)
    return columns


def as_column(values: Array | list[Any]) -> Column:
    """Any one-dimensional array, or list of cells, as a column."""
    if isinstance(values, list):
        cells = [cell.item() if isinstance(cell, np.generic) else cell for cell in values]
        return compact(cells)
    if values.dtype in _KINDS:
        return values
    if values.dtype.kind in "iu" and values.dtype != np.uint64:
        return values.astype(np.int64)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    cells = values.tolist()
    return compact(cells)


def compact(values: list[Any]) -> Column:
    """The cells as an array if there is one that says the same."""
    kinds = set(map(type, values))
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return values
    if kinds and kinds <= {float, int, _NONE}:
        try:
            return np.array(values, dtype=np.float64)  # None becomes NaN
        except OverflowError:
            return values
    return values


def _column(kind: str, pieces: list[memoryview]) -> Column:
    if kind in ("text", "cells"):
        cells: list[Any] = []
        for piece in pieces:
            cells += _loads(piece)
        return cells
    if kind in ("logical", "r-logical"):
        logical = np.frombuffer(pieces[0], dtype=np.uint8)
        if kind == "r-logical" and (missing := logical == _NA_LOGICAL).any():
            return _with_none(logical.astype(bool), missing)
        return logical.view(bool)
    numbers: Array = np.frombuffer(pieces[0], dtype=_DTYPES[kind])
    if kind != "r-integer":
        return numbers
    missing = numbers == _NA_INTEGER
    return _with_none(numbers, missing) if missing.any() else numbers.astype(np.int64)


def _with_none(values: Array, missing: Array) -> list[Any]:
    pairs = zip(values.tolist(), missing.tolist(), strict=True)
    return [None if gone else value for value, gone in pairs]


def _dumps(cells: list[Any]) -> bytes:
    if orjson is not None:
        try:
            return orjson.dumps(cells)
        except TypeError:
            pass  # whole numbers beyond 64 bits
    return json.dumps(cells).encode()


def _loads(piece: memoryview) -> Any:
    if orjson is not None:
        try:
            return orjson.loads(piece)
        except orjson.JSONDecodeError:
            pass
    return json.loads(bytes(piece))
