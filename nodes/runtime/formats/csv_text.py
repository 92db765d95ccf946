"""CSV as columns, and columns as CSV.

In: UTF-8 with a line of names, fields parted by commas. An empty field or NA is a missing value. A
column is of whole numbers, of numbers or of logical values (true, TRUE, false, FALSE) where all its
other fields are such, else of text; quotes make no difference to that.
"""

import contextlib
import csv
import io
import re
import sys
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from ..fast_json import orjson
from ..inputs import InputError
from .columns import Column, Columns, compact

_MISSING = {"", "NA"}
_LOGICAL = {
    "true": True,
    "TRUE": True,
    "True": True,
    "false": False,
    "FALSE": False,
    "False": False,
}
_NUMBERS = {int, float}
_TO_BE_QUOTED = re.compile(r'[",\r\n]')
_INFINITE = {float("inf"): "Inf", float("-inf"): "-Inf"}


def read(body: bytes) -> dict[str, Column]:
    """The columns by name; `InputError` when it is no such table."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The CSV is not UTF-8: byte {error.start} cannot be read.") from None
    limit = csv.field_size_limit(sys.maxsize)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise InputError(f"The body is not valid CSV: {error}.") from None
    finally:
        csv.field_size_limit(limit)
    if not lines:
        raise InputError("The CSV is empty; its first line must have the names of the columns.")
    names = lines.pop(0)
    _check_names(names)
    width = len(names)
    if lines and set(map(len, lines)) != {width}:
        number, found = next(
            (n, len(line)) for n, line in enumerate(lines, 1) if len(line) != width
        )
        raise InputError(f"Row {number} of the CSV has {found} fields; there are {width} columns.")
    fields = zip(*lines, strict=True) if lines else repeat((), width)
    return {name: _column(values) for name, values in zip(names, fields, strict=True)}


def write(columns: Columns) -> bytes:
    """The table with its line of names; a missing value is an empty field."""
    fields = [_fields(column) for column in columns.values()]
    if len(fields) == 1:  # an empty line would be none
        fields[0] = [field or '""' for field in fields[0]]
    lines = [",".join(map(_quoted, columns)), *map(",".join, zip(*fields, strict=True)), ""]
    return "\n".join(lines).encode(errors="replace")


def _check_names(names: Sequence[str]) -> None:
    if "" in names:
        raise InputError(
            f"Column {names.index('') + 1} of the CSV has no name. Write it without row names: "
            "row.names = FALSE in R, index=False in pandas."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The CSV has the column {twice!r} twice.")


def _column(fields: Sequence[str]) -> Column:
    if _MISSING.isdisjoint(fields):
        return _read_fields(fields)
    present = [field for field in fields if field not in _MISSING]
    if not present:
        return np.full(len(fields), np.nan)
    values = _read_fields(present)
    found = iter(values if isinstance(values, list) else values.tolist())
    return compact([None if field in _MISSING else next(found) for field in fields])


def _read_fields(fields: Sequence[str]) -> Column:
    """The fields, of which none is missing, as values of one type."""
    if not fields:
        return []
    if fields[0] in _LOGICAL and _LOGICAL.keys() >= set(fields):
        return np.array([_LOGICAL[field] for field in fields], dtype=bool)
    numbers = _read_plain_numbers(fields)
    if numbers is None and "_" not in "".join(fields):  # Python's own in numbers, in nobody's data
        for kind in (int, float):
            try:
                numbers = list(map(kind, fields))
                break
            except ValueError:
                continue
    return list(fields) if numbers is None else compact(numbers)


def _read_plain_numbers(fields: Sequence[str]) -> list[Any] | None:
    """The fields as numbers if all are such as JSON has them, whose reader is several times faster
    than Python's own."""
    values: list[Any] = []
    if orjson is not None:
        with contextlib.suppress(orjson.JSONDecodeError):
            values = orjson.loads(f"[{','.join(fields)}]")
    # A field with a comma is more than one value, and none is less.
    is_plain = len(values) == len(fields) and _NUMBERS.issuperset(map(type, values))
    return values if is_plain else None


def _fields(column: Column) -> list[str]:
    if isinstance(column, list):
        return [_field(value) for value in column]
    if column.dtype.kind == "f" and len(column) and orjson is not None:
        # Which also writes numbers several times faster, and float32 as short as can be.
        text = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
        fields = text[1:-1].decode().split(",")
        for place in np.flatnonzero(~np.isfinite(column)).tolist():
            fields[place] = _field(float(column[place]))
        return fields
    return [_field(value) for value in column.tolist()]


def _field(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float):
        return _INFINITE.get(value) or repr(value)
    raise ValueError("it has cells with several values")


def _quoted(text: str) -> str:
    if _TO_BE_QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text
