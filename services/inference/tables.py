"""Parameters from a sample: a row of JSON, some rows of CSV, or values alone."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from mlops.errors import InvalidRequest
from services.inference.proposal import Column, Proposal
from services.schema import Parameter

MAX_BYTES = 4 * 1024**2
_MAX_ROWS = 10_000  # looked at
_MAX_COLUMNS = 10_000
_EXAMPLE_ROWS = 3

_FRAME = "inputData"
_INTEGER = re.compile(r"[+-]?\d{1,15}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_LOGICAL = {"true": True, "false": False}
_MISSING = {"", "na", "nan", "null", "none"}


def propose_parameters(text: str) -> Proposal:
    """Inputs and an example for what the text holds: JSON, or CSV with commas, semicolons or tabs.

    An object with one value for each name makes one input of each, rows make a data.frame. Raises
    InvalidRequest for what is neither, saying what is wrong. A pure function.
    """
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise InvalidRequest("There is nothing to look at: paste a row or two.", fields="text")
    if len(text) > MAX_BYTES:
        raise InvalidRequest("That is too much: a few rows are enough.", fields="text")
    if text[0] in "{[":
        return _of_json(text)
    return _of_csv(text)


def _of_json(text: str) -> Proposal:
    try:
        data = json.loads(text)
    except RecursionError:
        raise InvalidRequest("That JSON is nested too deeply.", fields="text") from None
    except ValueError as error:
        if "\n" in text and all(line.lstrip()[:1] == "{" for line in text.splitlines() if line):
            return _of_json_lines(text)
        raise InvalidRequest(f"That is not JSON: {error}.", fields="text") from None
    if isinstance(data, list):
        return _of_array(data)
    return _of_object(data)


def _of_json_lines(text: str) -> Proposal:
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"That is not JSON: {error}.", fields="text") from None
    return _of_array(rows)


def _of_array(data: list[Any]) -> Proposal:
    if not data:
        raise InvalidRequest("That array is empty: paste one with a row in it.", fields="text")
    if all(isinstance(each, dict) for each in data):
        names: dict[str, None] = {}
        for row in data[:_MAX_ROWS]:
            names.update(dict.fromkeys(row))
        columns = {name: [row.get(name) for row in data[:_MAX_ROWS]] for name in names}
        return _frame(columns)
    if _is_matrix(data):
        return _parameters({"inputMatrix": data})
    if all(_is_scalar(each) for each in data):
        return _parameters({"inputVector": data})
    raise InvalidRequest(
        "That array is neither of rows (objects), nor of numbers, nor of arrays of one length.",
        fields="text",
    )


def _of_object(data: dict[str, Any]) -> Proposal:
    if not data:
        raise InvalidRequest("That object is empty: give it a member per input.", fields="text")
    values = list(data.values())
    lengths = {len(value) for value in values if isinstance(value, list)}
    are_columns = all(isinstance(each, list) and all(map(_is_scalar, each)) for each in values)
    if are_columns and len(values) > 1 and len(lengths) == 1 and lengths != {0}:
        return _frame(data)
    return _parameters(data)


def _parameters(data: dict[str, Any]) -> Proposal:
    """An input of each member, by its own shape."""
    inputs, columns, warnings = [], [], []
    example = {}
    for name, value in data.items():
        kind, value = _kind_of(name, value)
        inputs.append(Parameter(name, kind))
        example[name] = value
        if kind == "data.frame":
            columns += _columns(value)
        if value is None:
            warnings.append(f"{name} has no value, so its type is a guess.")
        elif isinstance(value, str) and _DATE.fullmatch(value):
            warnings.append(_of_dates([name]))
    return Proposal(
        kind="table",
        title=_counted(len(inputs), "input"),
        runtime_type="Python",
        inputs=inputs,
        columns=columns,
        example=example,
        row_independence_reason="Turn it on if each row is answered by its own content alone.",
        warnings=warnings,
    )


def _kind_of(name: str, value: Any) -> tuple[str, Any]:
    """The type of the input that such a value is for, and the value in the form of its type."""
    if _is_scalar(value):
        return _type_of([value]), value
    if isinstance(value, list):
        if _is_matrix(value):
            return "matrix", value
        if value and all(isinstance(each, dict) for each in value):
            names = dict.fromkeys(key for row in value for key in row)
            return "data.frame", {key: [row.get(key) for row in value] for key in names}
        if all(map(_is_scalar, value)):
            return "vector", value
    elif isinstance(value, dict) and value:
        if all(isinstance(each, list) and all(map(_is_scalar, each)) for each in value.values()):
            if len({len(each) for each in value.values()}) == 1:
                return "data.frame", value
        elif all(map(_is_scalar, value.values())):
            return "data.frame", {key: [each] for key, each in value.items()}
    raise InvalidRequest(
        f"{name} is no value that an input can take: a number, a text, true or false, an array of "
        "them, an array of arrays of one length, or columns of one length by name.",
        fields="text",
    )


def _frame(columns: dict[str, list[Any]], warnings: Sequence[str] = ()) -> Proposal:
    """One data.frame with these columns."""
    if len(columns) > _MAX_COLUMNS:
        raise InvalidRequest(f"That has more than {_MAX_COLUMNS} columns.", fields="text")
    for name, values in columns.items():
        if not all(map(_is_scalar, values)):
            raise InvalidRequest(
                f"The column {name} holds more than single values: a row has one number, text, or "
                "true or false for each column.",
                fields="text",
            )
    found = _columns(columns)
    told = list(warnings)
    empty = [each.name for each in found if not each.type]
    if empty:
        told.append(f"{_listed(empty)} had no values: what type they have is not known.")
    dates = [name for name, values in columns.items() if _are_dates(values)]
    if dates:
        told.append(_of_dates(dates))
    n_rows = len(next(iter(columns.values())))
    rows = min(_EXAMPLE_ROWS, n_rows)
    return Proposal(
        kind="table",
        title=f"{_counted(n_rows, 'row')} of {_counted(len(found), 'column')}",
        runtime_type="Python",
        inputs=[Parameter(_FRAME, "data.frame")],
        columns=found,
        example={_FRAME: {name: values[:rows] for name, values in columns.items()}},
        row_independence_reason="Turn it on if each row is answered by its own content alone.",
        description=f"Columns: {', '.join(each.name for each in found[:30])}.",
        warnings=told,
    )


def _of_csv(text: str) -> Proposal:
    first_line = text.split("\n", 1)[0]
    delimiter = max("\t;,", key=first_line.count)
    try:
        rows = [
            [cell.strip() for cell in row]
            for _, row in zip(
                range(_MAX_ROWS), csv.reader(io.StringIO(text), delimiter=delimiter), strict=False
            )
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise InvalidRequest(f"That is not CSV: {error}.", fields="text") from None
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise InvalidRequest(
                f"Row {number} has {_counted(len(row), 'value')}, the first has {width}. Put texts "
                "that hold the delimiter into double quotes.",
                fields="text",
            )
    warnings = []
    head = rows[0]
    if all(cell and not _is_value(cell) for cell in head) and len(set(head)) == width:
        names, rows = head, rows[1:]
        if not rows:
            raise InvalidRequest(
                "There are names of columns only: paste a row with values below them.",
                fields="text",
            )
    elif len(rows) == 1 and delimiter not in first_line:
        return _parameters({"inputVector": [_cell(rows[0][0], "")]})
    else:
        names = [f"x{place + 1}" for place in range(width)]
        warnings.append(
            "The first line holds no names, so the columns are called x1, x2 and so on."
        )
    columns: dict[str, list[Any]] = {}
    for place, name in enumerate(names):
        cells = [row[place] for row in rows]
        kind = _type_of_texts(cells)
        columns[name] = [_cell(cell, kind) for cell in cells]
    return _frame(columns, warnings)


def _is_value(cell: str) -> bool:
    lower = cell.lower()
    return bool(_NUMBER.fullmatch(cell)) or lower in _LOGICAL or bool(_DATE.fullmatch(cell))


def _type_of_texts(cells: Sequence[str]) -> str:
    given = [cell for cell in cells if cell.lower() not in _MISSING]
    if not given:
        return ""
    if all(cell.lower() in _LOGICAL for cell in given):
        return "logical"
    # A zero in front is for a code, such as a postal one, and no number.
    if any(re.match(r"[+-]?0\d", cell) for cell in given):
        return "character"
    if all(_INTEGER.fullmatch(cell) for cell in given):
        return "integer"
    if all(_NUMBER.fullmatch(cell) for cell in given):
        return "numeric"
    return "character"


def _cell(cell: str, kind: str) -> Any:
    if cell.lower() in _MISSING:
        return None
    if kind == "logical":
        return _LOGICAL[cell.lower()]
    if kind == "integer":
        return int(cell)
    if kind == "numeric":
        return float(cell)
    if kind == "" and _NUMBER.fullmatch(cell):
        return float(cell)
    return cell


def _columns(columns: dict[str, list[Any]]) -> list[Column]:
    return [Column(str(name), _type_of(values, "")) for name, values in columns.items()]


def _type_of(values: Sequence[Any], unknown: str = "character") -> str:
    given = [value for value in values if value is not None]
    kinds = {type(value) for value in given}
    if kinds == {bool}:
        return "logical"
    if kinds == {int}:
        return "integer"
    if kinds and kinds <= {int, float}:
        return "numeric"
    return "character" if kinds else unknown


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isinf(value)
    return value is None or isinstance(value, str | int | bool)


def _is_matrix(value: list[Any]) -> bool:
    rows = [each for each in value if isinstance(each, list)]
    return (
        bool(rows)
        and len(rows) == len(value)
        and len({len(row) for row in rows}) == 1
        and all(_is_scalar(cell) for row in rows for cell in row)
    )


def _are_dates(values: Sequence[Any]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, str) and _DATE.fullmatch(value) for value in given)


def _of_dates(names: Sequence[str]) -> str:
    return (
        f"{_listed(names)} look like dates: they arrive as text (character). Make dates of them in "
        "the code, with pd.to_datetime in Python or as.Date in R."
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
