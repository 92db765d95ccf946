"""A model's outputs made into the columns of the answer (wire-api sections 11 and 12).

An output with one value per row is a column of the output's name; one with several is as many
columns, their names the output's, a dot, and the class or the position.
"""

import math
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import orjson

from .. import results
from ..pieces import Pieces
from .signature import Signature

OUTPUT = "outputData"
_ROWS_AT_A_TIME = 8192
_LAST_DIGITS = 1e-3  # of single precision, after whatever the model sums up


class UnfitOutput(Exception):  # noqa: N818 - named for what happened
    """An output of the model has not one row for each row of the input."""


def columns_of(outputs: Sequence[Any], n_rows: int, signature: Signature) -> dict[str, Any]:
    """The columns by name, for one row or more; `UnfitOutput` unless each has `n_rows` values."""
    columns: dict[str, Any] = {}
    for name, output in zip(signature.outputs, outputs, strict=True):
        if isinstance(output, list):  # of a ZipMap: one dict of probabilities per row
            _require_rows(name, len(output), n_rows)
            for key in output[0]:
                columns[f"{name}.{key}"] = [row.get(key) for row in output]
            continue
        _require_rows(name, len(output) if output.ndim else 1, n_rows)
        width = output.size // n_rows
        names = _names(name, width, signature)
        if width == 1:
            columns[names[0]] = _plain(output.reshape(n_rows))
        else:
            matrix = _plain(np.ascontiguousarray(output.reshape(n_rows, width).T))
            columns.update(zip(names, matrix, strict=True))
    return columns


def declared_columns(signature: Signature) -> dict[str, Any]:
    """The columns of an answer without rows, as far as the model declares them."""
    return {
        column: []
        for name, width in zip(signature.outputs, signature.output_widths, strict=True)
        for column in _names(name, width, signature)
    }


def body_of(columns: dict[str, Any]) -> bytes:
    """The part of a result object that results.result takes; NaN and infinities become null."""
    body = {"changedFiles": [], "outputParameters": {OUTPUT: columns}, "outputFiles": {}}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def large_result_of(columns: dict[str, Any]) -> bytes:
    """The whole result object, put together so that other threads have their turns: whoever makes
    JSON of many rows at once keeps all of them waiting."""
    pieces = Pieces()
    head = b'{"changedFiles":[],"outputParameters":{"%b":{' % OUTPUT.encode()
    pieces.add(results.quiet_success(head))
    for place, (name, column) in enumerate(columns.items()):
        pieces.add(b"%b%b:[" % (b"," if place else b"", orjson.dumps(name)))
        for start in range(0, len(column), _ROWS_AT_A_TIME):
            part = column[start : start + _ROWS_AT_A_TIME]
            cells = orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
            pieces.add(b",%b" % cells if start else cells)
        pieces.add(b"]")
    pieces.add(b'}},"outputFiles":{}}')
    return pieces.whole()


def split(columns: dict[str, Any], n_rows: Sequence[int]) -> list[dict[str, Any]]:
    """The same columns with only the rows of each call, which are one after the other."""
    pieces = []
    start = 0
    for count in n_rows:
        pieces.append({name: column[start : start + count] for name, column in columns.items()})
        start += count
    return pieces


def are_close(body: bytes | None, other: bytes | None) -> bool:
    """Whether two bodies say the same, but for the last digits of numbers."""
    if body is None or other is None:
        return True
    columns, others = (orjson.loads(each)["outputParameters"][OUTPUT] for each in (body, other))
    if columns.keys() != others.keys():
        return False
    cells = chain.from_iterable(columns.values())
    other_cells = chain.from_iterable(others.values())
    return all(
        math.isclose(cell, found, rel_tol=_LAST_DIGITS, abs_tol=_LAST_DIGITS)
        if isinstance(cell, float) and isinstance(found, float)
        else cell == found
        for cell, found in zip_longest(cells, other_cells)
    )


def _names(output: str, width: int, signature: Signature) -> list[str]:
    """The names of the columns of an output of `width` values per row."""
    if width == 1:
        is_response = signature.response and output == signature.outputs[0]
        return [f"{signature.response}_Pred" if is_response else output]
    named = len(signature.classes) == width
    suffixes = signature.classes if named else range(width)
    return [f"{output}.{suffix}" for suffix in suffixes]


def _plain(array: Any) -> Any:
    """The array in a form that can be serialized at once."""
    if array.dtype == np.object_:
        return array.tolist()
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _require_rows(name: str, found: int, n_rows: int) -> None:
    if found != n_rows:
        raise UnfitOutput(
            f"Output {name!r} of the model has {found} rows for {n_rows} of the input; each row "
            "must have its own result."
        )
