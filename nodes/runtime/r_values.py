"""Inputs as R values, in the binary format of R's own serialize().

R reads them in microseconds where its JSON reader makes an object of every cell first. The format
(R Internals, "Serialization Formats"): version 2, binary in the byte order of the machine.
"""

import struct
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from math import isnan
from typing import Any

from .inputs import InputError, read_inputs

INTEGERS = range(1 - 2**31, 2**31)  # of R; what is beyond becomes double

_NA_INTEGER = -(2**31)
_NA_REAL: float = struct.unpack("=d", (0x7FF00000000007A2).to_bytes(8, byteorder="little"))[0]
_NULL, _CHARS, _LOGICAL, _INTEGER, _REAL, _STRING, _LIST = 254, 9, 10, 13, 14, 16, 19
_UTF8, _IS_OBJECT, _HAS_ATTRIBUTES = 8 << 12, 1 << 8, 1 << 9
_NoneType = type(None)
_FLOATS, _INTEGERS, _STRINGS, _BOOLEANS, _NUMBERS = {float}, {int}, {str}, {bool}, {float, int}
_pack = struct.Struct("=i").pack
_pack2 = struct.Struct("=ii").pack
_Cells = tuple[int, bytes]  # the type of a vector, and what follows its length
_NO_NUL = "R strings cannot hold the character U+0000: send the text without it"


def score_request(body: bytes, declared: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], bytes]:
    """Header and body of the request that asks an R shell to score the inputs in the JSON `body`.

    `InputError` when they do not fit, or hold text that has no place in R.
    """
    data, is_mixed = encode_inputs(read_inputs(body, declared), declared)
    return {"op": "score", **({"mixed": True} if is_mixed else {})}, data


def encode_inputs(
    values: Mapping[str, Any], declared: Sequence[tuple[str, str]]
) -> tuple[bytes, bool]:
    """The values, in the forms of `read_inputs`, as one R list with names; and whether some vector,
    matrix or column has cells of several types: such come as lists, for R to find their common one.

    NaN becomes NA, as null does.
    """
    items = [_FORMS[kind](values[name]) for name, kind in declared]
    parts = [_HEAD, _pack2(_LIST | _HAS_ATTRIBUTES, len(items))]
    parts += [data for data, _ in items]
    parts += [_NAMES, _strings_vector([name for name, _ in declared]), _END]
    return b"".join(parts), any(is_mixed for _, is_mixed in items)


def _integer(value: int | None) -> tuple[bytes, bool]:
    return _vector(_INTEGER, _pack(_NA_INTEGER)) if value is None else _scalar(value), False


def _numeric(value: float | None) -> tuple[bytes, bool]:
    return _vector(_REAL, _reals([value])), False


def _logical(value: bool | None) -> tuple[bytes, bool]:
    return _vector(*_cells([value])), False


def _character(value: str | None) -> tuple[bytes, bool]:
    return _strings_vector([value]), False


def _plain_vector(values: list[Any] | None) -> tuple[bytes, bool]:
    if values is None:
        return _pack(_NULL), False
    kind, cells = _cells(values)
    return _pack2(kind, len(values)) + cells, kind == _LIST


def _matrix(rows: list[list[Any]] | None) -> tuple[bytes, bool]:
    if rows is None:
        return _pack(_NULL), False
    values = list(chain.from_iterable(zip(*rows, strict=True)))  # R has them by column
    kind, cells = _cells(values)
    extents = _vector(_INTEGER, _pack2(len(rows), len(rows[0]) if rows else 0), 2)
    data = _pack2(kind | _HAS_ATTRIBUTES, len(values)) + cells + _DIM + extents + _END
    return data, kind == _LIST


def _data_frame(columns: dict[str, list[Any]] | None) -> tuple[bytes, bool]:
    if columns is None:
        return _pack(_NULL), False
    is_mixed = False
    parts = [_pack2(_LIST | _IS_OBJECT | _HAS_ATTRIBUTES, len(columns))]
    height = 0
    for values in columns.values():
        height = len(values)
        kind, cells = _cells(values)
        parts += (_pack2(kind, height), cells)
        is_mixed = is_mixed or kind == _LIST
    rows = _vector(_INTEGER, _pack2(_NA_INTEGER, -height), 2) if height else _pack2(_INTEGER, 0)
    parts += (_NAMES, _strings_vector(columns), _ROW_NAMES, rows, _CLASS_DATA_FRAME, _END)
    return b"".join(parts), is_mixed


def _cells(values: Sequence[Any]) -> _Cells:
    """A vector of the one type that all values have, null aside; else a list."""
    kinds = set(map(type, values))
    kinds.discard(_NoneType)
    if kinds in (_FLOATS, _NUMBERS):
        return _REAL, _reals(values)
    if kinds == _INTEGERS:
        return _whole_numbers(values)
    if kinds == _STRINGS:
        return _STRING, _strings(values)
    if kinds <= _BOOLEANS:
        return _LOGICAL, _integers(values)
    return _LIST, b"".join(map(_scalar, values))


def _scalar(value: Any) -> bytes:
    return _vector(*_cells([value]))


def _vector(kind: int, cells: bytes, length: int = 1) -> bytes:
    return _pack2(kind, length) + cells


def _whole_numbers(values: Sequence[int | None]) -> _Cells:
    """Integers, or doubles when one is too large for the integers of R."""
    try:
        present = array("i", (value for value in values if value is not None))
    except OverflowError:
        return _REAL, _reals(values)
    if min(present) not in INTEGERS:
        return _REAL, _reals(values)
    return _INTEGER, present.tobytes() if len(present) == len(values) else _integers(values)


def _integers(values: Iterable[int | None]) -> bytes:
    return array("i", [_NA_INTEGER if value is None else value for value in values]).tobytes()


def _reals(values: Sequence[Any]) -> bytes:
    try:
        data = array("d", values)
        if not isnan(sum(data)):
            return data.tobytes()
    except (TypeError, OverflowError):
        pass
    return array("d", map(_real, values)).tobytes()


def _real(value: float | None) -> float:
    if value is None or value != value:
        return _NA_REAL
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _strings_vector(values: Collection[str | None]) -> bytes:
    return _pack2(_STRING, len(values)) + _strings(values)


def _strings(values: Iterable[str | None]) -> bytes:
    parts = []
    for value in values:
        if value is None:
            parts.append(_NA_STRING)
        else:
            text = value.encode(errors="replace")
            if b"\0" in text:
                raise InputError(_NO_NUL)
            parts += (_pack2(_CHARS | _UTF8, len(text)), text)
    return b"".join(parts)


def _tag(name: str) -> bytes:
    """The attribute of that name, but for its value, which follows."""
    return _pack2(0x402, 1) + _strings([name])


_HEAD = b"B\n" + struct.pack("=iii", 2, 4 << 16, 0x20300)
_NA_STRING = _pack2(_CHARS, -1)
_NAMES, _ROW_NAMES, _DIM = _tag("names"), _tag("row.names"), _tag("dim")
_CLASS_DATA_FRAME = _tag("class") + _strings_vector(["data.frame"])
_END = _pack(_NULL)

_FORMS: dict[str, Callable[[Any], tuple[bytes, bool]]] = {
    "integer": _integer,
    "numeric": _numeric,
    "logical": _logical,
    "character": _character,
    "vector": _plain_vector,
    "matrix": _matrix,
    "data.frame": _data_frame,
}
