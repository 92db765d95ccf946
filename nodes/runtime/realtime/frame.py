"""The caller's data frame made into the tensors of a model (wire-api sections 11 and 12).

The frame is checked before anything runs: every column of the model, no other, in the model's
order, of the model's types. Nothing is cast but whole numbers where numbers are taken.
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from ..inputs import InputError, kind_of, read_object
from .signature import InputTensor, Signature

INPUT = "inputData"

_ONE_LIST = {list}
Columns = Sequence[Any]  # lists of values as JSON has them, or arrays
Types = frozenset[type[Any]]

_NUMBER: Types = frozenset({int, float})
_NUMBER_OR_NULL: Types = frozenset({int, float, type(None)})
_LOGICAL: Types = frozenset({bool})
_LOGICAL_OR_NULL: Types = frozenset({bool, type(None)})
_TEXT_OR_NULL: Types = frozenset({str, type(None)})
_SCALARS: Types = frozenset({int, float, bool, str, type(None)})


def read_columns(body: bytes, signature: Signature) -> tuple[Columns, int]:
    """The values of each column of the model, in its order, and how many each has; InputError."""
    return columns_of_frame(frame_in(body), signature)


def columns_of_frame(frame: Any, signature: Signature) -> tuple[Columns, int]:
    """The same for what JSON has as frame, or for columns by name."""
    columns = _columns(frame, signature)
    lengths = set(map(len, columns))
    if len(lengths) > 1:
        shown = ", ".join(
            f"{_name(signature, index)} {len(column)}" for index, column in enumerate(columns)
        )
        raise InputError(f"Input {INPUT}: its columns differ in length: {shown[:300]}.", INPUT)
    return columns, lengths.pop()


def tensors_of(columns: Columns, n_rows: int, signature: Signature) -> dict[str, Any]:
    """The tensor of each input by its name; InputError when values are of other types.

    Missing values become NaN where the model takes numbers with fractions and "" where it takes
    text; elsewhere they are refused.
    """
    return {
        tensor.name: _tensor(tensor, columns[tensor.start : tensor.stop], n_rows, signature)
        for tensor in signature.tensors
    }


def frame_in(body: bytes) -> Any:
    """What the JSON in `body` has as frame, whatever it is; InputError when it has none."""
    given = read_object(body, required=True)
    if INPUT in given:
        return given[INPUT]
    for name, value in given.items():
        if name.lower() == INPUT.lower():
            return value
    raise InputError(
        f'Missing input: {INPUT}. Send {{"{INPUT}": {{"column": [values], …}}}}.', INPUT
    )


def _columns(frame: Any, signature: Signature) -> Columns:
    """One list of values for each column of the model, in its order."""
    if isinstance(frame, dict):
        _check_names(list(frame), signature)
        columns = list(frame.values())
        if set(map(type, columns)) == _ONE_LIST:  # as nearly always: told at one look
            return columns
        return [_as_list(value, index, signature) for index, value in enumerate(columns)]
    if not isinstance(frame, list):
        raise InputError(
            f"Input {INPUT} must be an object of columns or an array of row objects, "
            f"not {kind_of(frame)}.",
            INPUT,
        )
    if not frame:
        return [[]] * signature.width
    names: dict[str, None] = {}  # ordered by first appearance
    for row in frame:
        if not isinstance(row, dict):
            raise InputError(
                f"Input {INPUT} must have an object in every row, not {kind_of(row)}.", INPUT
            )
        names.update(dict.fromkeys(row))
    _check_names(list(names), signature)
    return [[row.get(name) for row in frame] for name in names]


def _check_names(given: list[str], signature: Signature) -> None:
    wanted = signature.names
    if given == wanted:
        return
    if wanted is None:
        if len(given) != signature.width:
            raise InputError(
                f"Input {INPUT} has {len(given)} columns; the model takes {signature.width}, "
                "by their order: it does not say how they are called.",
                INPUT,
            )
        return
    known = set(given)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(
            f"Input {INPUT} lacks the column {_listed(missing)}. The model takes, in this order: "
            f"{_listed(wanted)}.",
            f"{INPUT}.{missing[0]}",
        )
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise InputError(
            f"Input {INPUT} has the column {_listed(unknown)}, which the model does not take. It "
            f"takes, in this order: {_listed(wanted)}.",
            f"{INPUT}.{unknown[0]}",
        )
    misplaced = next(name for name, right in zip(given, wanted, strict=True) if name != right)
    raise InputError(
        f"Input {INPUT} has its columns in another order than the model, from {misplaced!r} on. "
        f"Send them in this one: {_listed(wanted)}.",
        f"{INPUT}.{misplaced}",
    )


def _as_list(value: Any, index: int, signature: Signature) -> Any:
    if isinstance(value, list | np.ndarray):
        return value
    if type(value) in _SCALARS:
        return [value]
    raise _refusal(signature, index, f"must be an array of scalars, not {kind_of(value)}")


def _tensor(tensor: InputTensor, columns: Columns, n_rows: int, signature: Signature) -> Any:
    if any(isinstance(column, np.ndarray) for column in columns):
        array = _tensor_of_arrays(tensor, columns, signature)
        if array is not None:
            return array.reshape(n_rows) if tensor.rank == 1 else array
        columns = [_values_of(column) for column in columns]
    if tensor.dtype is np.object_:
        values = _texts(tensor, columns, signature)
    elif tensor.dtype is np.bool_:
        values = _checked(tensor, columns, signature, _LOGICAL, "true or false")
    elif issubclass(tensor.dtype, np.integer):
        values = _whole_numbers(tensor, columns, signature)
    else:
        values = _numbers(tensor, columns, signature)
    array = _array(values, tensor, columns, signature)
    if tensor.rank == 1:
        return array
    if tensor.width == 1:
        return array.reshape(n_rows, 1)
    return np.ascontiguousarray(array.reshape(tensor.width, n_rows).T)


def _tensor_of_arrays(tensor: InputTensor, columns: Columns, signature: Signature) -> Any:
    """The tensor of shape (n_rows, n_columns); None when the columns have to be looked at value by
    value, be it for what is wrong with them."""
    if not all(isinstance(column, np.ndarray) for column in columns):
        return None
    for index, column in enumerate(columns, tensor.start):
        if index in signature.logical or tensor.dtype is np.bool_:
            accepted = "b"
        else:
            accepted = "i" if issubclass(tensor.dtype, np.integer) else "fi"
        if tensor.dtype is np.object_ or column.dtype.kind not in accepted:
            return None
    array = np.empty((len(columns[0]), len(columns)), dtype=tensor.dtype)
    try:
        with np.errstate(over="raise"):
            for place, column in enumerate(columns):
                if issubclass(tensor.dtype, np.integer):
                    _require_range(column, tensor.dtype)
                array[:, place] = column
    except (OverflowError, FloatingPointError):
        return None
    return array


def _require_range(column: Any, dtype: Any) -> None:
    bounds = np.iinfo(dtype)
    if len(column) and (int(column.min()) < bounds.min or int(column.max()) > bounds.max):
        raise OverflowError


def _values_of(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        return [None if value != value else value for value in values]
    return values


def _array(values: list[Any], tensor: InputTensor, columns: Columns, signature: Signature) -> Any:
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype=tensor.dtype)
    except (OverflowError, FloatingPointError):
        for index, column in enumerate(columns, tensor.start):
            for row, value in enumerate(column, 1):
                try:
                    with np.errstate(over="raise"):
                        np.array([value], dtype=tensor.dtype)
                except (OverflowError, FloatingPointError):
                    complaint = f"has a number in row {row} that the model's type cannot hold"
                    raise _refusal(signature, index, complaint) from None
        raise


def _numbers(tensor: InputTensor, columns: Columns, signature: Signature) -> list[Any]:
    values = _values(columns)
    if not signature.logical:
        if not _NUMBER_OR_NULL.issuperset(map(type, values)):
            _complain(tensor, columns, signature, _NUMBER_OR_NULL, "a number")
        return values
    for index, column in enumerate(columns, tensor.start):
        is_logical = index in signature.logical
        accepted = _LOGICAL_OR_NULL if is_logical else _NUMBER_OR_NULL
        if not accepted.issuperset(map(type, column)):
            wanted = "true or false" if is_logical else "a number"
            _complain_of(index, column, signature, accepted, wanted)
    return values


def _whole_numbers(tensor: InputTensor, columns: Columns, signature: Signature) -> list[Any]:
    values = _checked(tensor, columns, signature, _NUMBER, "a whole number")
    if float not in set(map(type, values)):
        return values
    for index, column in enumerate(columns, tensor.start):
        for row, value in enumerate(column, 1):
            if type(value) is float and not value.is_integer():
                shown = "no value" if math.isnan(value) else f"{value:.6g}"
                complaint = f"must have a whole number in every row; row {row} has {shown}"
                raise _refusal(signature, index, complaint)
    return [int(value) for value in values]


def _texts(tensor: InputTensor, columns: Columns, signature: Signature) -> list[Any]:
    values = _checked(tensor, columns, signature, _TEXT_OR_NULL, "a string")
    if None in values:
        return ["" if value is None else value for value in values]
    return values


def _checked(
    tensor: InputTensor,
    columns: Columns,
    signature: Signature,
    accepted: Types,
    wanted: str,
) -> list[Any]:
    """All values of the columns; InputError when one is of another type."""
    values = _values(columns)
    if not accepted.issuperset(map(type, values)):
        _complain(tensor, columns, signature, accepted, wanted)
    return values


def _values(columns: Columns) -> list[Any]:
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))


def _complain(
    tensor: InputTensor,
    columns: Columns,
    signature: Signature,
    accepted: Types,
    wanted: str,
) -> None:
    for index, column in enumerate(columns, tensor.start):
        _complain_of(index, column, signature, accepted, wanted)


def _complain_of(
    index: int,
    column: list[Any],
    signature: Signature,
    accepted: Types,
    wanted: str,
) -> None:
    for row, value in enumerate(column, 1):
        if type(value) not in accepted:
            found = "no value" if value is None else kind_of(value)
            complaint = f"must have {wanted} in every row; row {row} has {found}"
            raise _refusal(signature, index, complaint)


def _refusal(signature: Signature, index: int, complaint: str) -> InputError:
    name = _name(signature, index)
    return InputError(f"Input {INPUT}: column {name} {complaint}.", f"{INPUT}.{name}")


def _name(signature: Signature, index: int) -> str:
    return signature.names[index] if signature.names else str(index + 1)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:50])
    return shown if len(names) <= 50 else f"{shown}, … ({len(names)} in all)"
