"""Columns of Arrow's types as cells of data frames, and the other way round.

Numbers of every width become float64 or int64, as JSON's do; what JSON has no type for comes as
text, in ISO 8601 where it is a moment in time. Missing cells are None, NaN in a column of numbers.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .columns import Array, Column
from .flat import Table

_NULL, _INT, _FLOAT, _TEXT, _BOOL, _DATE, _TIME, _TIMESTAMP = 1, 2, 3, 5, 6, 8, 9, 10
_LARGE_TEXT, _TEXT_VIEW = 20, 24
_NAMES = {
    4: "binary", 7: "decimal", 11: "interval", 12: "list", 13: "struct", 14: "union",
    15: "fixed-size binary", 16: "fixed-size list", 17: "map", 18: "duration", 19: "large binary",
    21: "large list", 22: "run-end encoded", 23: "binary view", 24: "string view",
}  # fmt: skip
_FLOATS = {0: np.float16, 1: np.float32, 2: np.float64}
_PER_SECOND = (1, 10**3, 10**6, 10**9)
_SECONDS_A_DAY = 86400
_INT64_END = 2**63
_NONE = type(None)


class Refused(Exception):  # noqa: N818 - named for what happened
    """A stream that can be read but has no place here; the text is for the caller."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the cells of a column lie in its buffers: numbers of a dtype, or texts by offsets."""

    kind: int
    n_buffers: int
    dtype: Any = None
    unit: int = 0  # of a moment: how many to a second
    is_utc: bool = False


def layout_of(kind: int, detail: Table | None, name: str, *, default_bits: int = 0) -> Layout:
    """The layout of a type, which the schema describes in `detail`; `Refused` when it has no place
    in a data frame."""
    if kind == _NULL:
        return Layout(kind, 0)
    if detail is None:
        if not default_bits:
            raise ValueError("a type without its description")
        return Layout(_INT, 2, np.dtype(f"<i{default_bits // 8}"))
    if kind == _INT:
        sign = "i" if detail.number(1, "?") else "u"
        return Layout(kind, 2, np.dtype(f"<{sign}{detail.number(0, 'i') // 8}"))
    if kind == _FLOAT:
        return Layout(kind, 2, _FLOATS[detail.number(0, "h")])
    if kind == _BOOL:
        return Layout(kind, 2)
    if kind in (_TEXT, _LARGE_TEXT):
        return Layout(kind, 3, np.dtype("<i8" if kind == _LARGE_TEXT else "<i4"))
    if kind == _DATE:
        is_days = detail.number(0, "h", 1) == 0
        return Layout(kind, 2, np.dtype("<i4" if is_days else "<i8"), 0 if is_days else 1000)
    if kind == _TIME:
        bits = detail.number(1, "i", 32)
        return Layout(kind, 2, np.dtype(f"<i{bits // 8}"), _PER_SECOND[detail.number(0, "h", 1)])
    if kind == _TIMESTAMP:
        unit = _PER_SECOND[detail.number(0, "h")]
        return Layout(kind, 2, np.dtype("<i8"), unit, is_utc=bool(detail.text(1)))
    raise Refused(
        f"Column {name!r} of the Arrow stream is of the type {_NAMES.get(kind, kind)}. Columns are "
        "of numbers, logical values, strings (utf8), dates, times or timestamps, or dictionaries "
        "of such."
    )


def read_cells(
    layout: Layout, buffers: Sequence[memoryview], length: int, *, has_missing: bool
) -> Array:
    """The cells as numbers, or as an array of objects; ValueError when buffers are too small."""
    if layout.kind == _NULL:
        return np.full(length, None, dtype=object)
    valid = _bits(buffers[0], length) if has_missing and len(buffers[0]) else None
    if layout.kind in (_TEXT, _LARGE_TEXT):
        cells: Array = _texts(layout, buffers, length)
    elif layout.kind == _BOOL:
        cells = _bits(buffers[1], length)
    else:
        numbers = np.frombuffer(buffers[1], dtype=layout.dtype, count=length if length else 0)
        if layout.kind in (_INT, _FLOAT):
            return _numbers(numbers, valid)
        cells = _moments(layout, numbers)
    if valid is not None and not valid.all():
        cells = cells.astype(object)
        cells[~valid] = None
    return cells


def _numbers(numbers: Array, valid: Array | None) -> Array:
    if valid is not None and not valid.all():
        values = numbers.astype(np.float64)
        values[~valid] = np.nan
        return values
    if numbers.dtype.kind == "f":
        return numbers.astype(np.float64, copy=False)
    if numbers.dtype == np.uint64 and (numbers >= _INT64_END).any():
        return numbers.astype(object)
    return numbers.astype(np.int64, copy=False)


def _bits(buffer: memoryview, length: int) -> Array:
    packed = np.frombuffer(buffer, dtype=np.uint8, count=(length + 7) // 8)
    return np.unpackbits(packed, count=length, bitorder="little").view(bool)


def _texts(layout: Layout, buffers: Sequence[memoryview], length: int) -> Array:
    cells = np.empty(length, dtype=object)
    if length:
        places = np.frombuffer(buffers[1], dtype=layout.dtype, count=length + 1)
        data = bytes(buffers[2])
        if places[0] < 0 or (np.diff(places) < 0).any() or places[-1] > len(data):
            raise IndexError("a text outside of its buffer")
        ends = places.tolist()
        cells[:] = [data[start:end].decode() for start, end in pairwise(ends)]
    return cells


def _moments(layout: Layout, numbers: Array) -> Array:
    cells = np.empty(len(numbers), dtype=object)
    cells[:] = [_moment(layout, number) for number in numbers.tolist()]
    return cells


def _moment(layout: Layout, number: int) -> str:
    if layout.kind == _DATE:
        days = number // (layout.unit * _SECONDS_A_DAY) if layout.unit else number
        return (datetime.date(1970, 1, 1) + datetime.timedelta(days)).isoformat()
    seconds, rest = divmod(number, layout.unit)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    digits = f"{rest:0{len(str(layout.unit)) - 1}d}".rstrip("0")
    fraction = f".{digits}" if rest else ""
    if layout.kind == _TIME:
        return f"{moment.time().isoformat()}{fraction}"
    return f"{moment.isoformat()}{fraction}{'Z' if layout.is_utc else ''}"


@dataclass(frozen=True, slots=True)
class Shaped:
    """A column ready to be written; `type_fields` describe its type in the schema."""

    type_number: int
    type_fields: tuple[tuple[int, str, int], ...]
    n_missing: int
    buffers: list[bytes]


_OF_DTYPE: dict[Any, tuple[int, tuple[tuple[int, str, int], ...]]] = {
    np.dtype(np.int64): (_INT, ((0, "i", 64), (1, "?", 1))),
    np.dtype(np.float32): (_FLOAT, ((0, "h", 1),)),
    np.dtype(np.float64): (_FLOAT, ((0, "h", 2),)),
}


def shape(name: str, column: Column) -> Shaped:
    """The column in the Arrow type of its cells; ValueError when they have none in common."""
    if not isinstance(column, list):
        return _shape_array(column)
    missing = np.array([value is None for value in column], dtype=bool)
    kinds = set(map(type, column)) - {_NONE}
    if not kinds:
        return Shaped(_NULL, (), len(column), [])
    if kinds == {str}:
        return _shape_texts(column, missing)
    if kinds == {bool}:
        values = np.array([bool(value) for value in column], dtype=bool)
        return Shaped(_BOOL, (), int(missing.sum()), [_validity(missing), _packed(values)])
    if kinds <= {int, float}:
        try:
            dtype: Any = np.float64 if float in kinds else np.int64
            numbers = np.array([0 if value is None else value for value in column], dtype=dtype)
        except OverflowError:
            numbers = np.array([0 if value is None else value for value in column], dtype=float)
        return _shape_numbers(numbers, missing)
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(
        f"column {name!r} has cells of several types or such as no column has: {shown}"
    )


def _shape_array(column: Array) -> Shaped:
    if column.dtype.kind == "b":
        return Shaped(_BOOL, (), 0, [b"", _packed(column)])
    missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(0, dtype=bool)
    return _shape_numbers(column, missing)


def _shape_numbers(numbers: Array, missing: Array) -> Shaped:
    kind, fields = _OF_DTYPE[numbers.dtype]
    return Shaped(kind, fields, int(missing.sum()), [_validity(missing), numbers.tobytes()])


def _shape_texts(column: list[Any], missing: Array) -> Shaped:
    texts = [b"" if value is None else value.encode(errors="replace") for value in column]
    ends = np.cumsum([0, *map(len, texts)])
    is_large = bool(ends[-1] >= 2**31)
    offsets = ends.astype(np.int64 if is_large else np.int32)
    buffers = [_validity(missing), offsets.tobytes(), b"".join(texts)]
    return Shaped(_LARGE_TEXT if is_large else _TEXT, (), int(missing.sum()), buffers)


def _validity(missing: Array) -> bytes:
    return _packed(~missing) if missing.any() else b""


def _packed(bits: Array) -> bytes:
    return np.packbits(bits, bitorder="little").tobytes()
