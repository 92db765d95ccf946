"""The caller's JSON made to fit the declared inputs (wire-api sections 0, 3 and 12).

Standard library plus orjson where it is installed: Python shells use this directly, the node uses
it on behalf of R shells (r_values.py).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from .fast_json import orjson

_BOM = b"\xef\xbb\xbf"
_NUMBERS = {int, float}
_INT64_END = 2**63
_SCALARS = {int, float, bool, str, type(None)}
_ONE_LIST = {list}
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity')
_R_CONSTANTS = {"NaN": "null", "Infinity": "1e999", "-Infinity": "-1e999"}


class InputError(ValueError):
    """The body does not fit; `fields` names the inputs at fault."""

    def __init__(self, message: str, fields: str = "") -> None:
        self.message = message
        self.fields = fields
        super().__init__(message)


def read_inputs(body: bytes, declared: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The declared inputs by name, each in its plain form, in declared order.

    Plain forms: scalars as Python scalars; vector a list of scalars; matrix a list of equal rows;
    data.frame a dict of equal columns. None stands for an explicit null.
    """
    values = _fit(read_object(body, required=bool(declared)), declared)
    if any(type(values[n]) is int and abs(values[n]) >= _INT64_END for n, _ in declared):
        # The fast reader had it as a float; the slow one keeps every digit.
        values = _fit(read_object(body, required=True, exact=True), declared)
    return values


def strict_json(value: Any) -> bytes:
    """`value` as strict JSON that R reads: NaN as null, infinity as an overflow."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    if "NaN" in text or "Infinity" in text:
        text = _STRING_OR_CONSTANT.sub(lambda m: _R_CONSTANTS.get(m.group(), m.group()), text)
    return text.encode()


def _fit(given: dict[str, Any], declared: Sequence[tuple[str, str]]) -> dict[str, Any]:
    if not all(name in given for name, _ in declared):
        given = _in_other_case(given, declared)
    values = {}
    for name, kind in declared:
        value = given[name]
        try:
            values[name] = None if value is None else _FORMS[kind](value)
        except InputError as error:
            raise InputError(f"Input {name} ({kind}): {error.message}.", name) from None
    return values


def _in_other_case(given: dict[str, Any], declared: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """All declared inputs, found in any case where they are not there as declared."""
    by_lower_name = {name.lower(): value for name, value in given.items()}
    missing = [n for n, _ in declared if n not in given and n.lower() not in by_lower_name]
    if missing:
        names = ", ".join(missing)
        raise InputError(f"Missing input: {names}. Send one member per declared input.", names)
    return {n: given[n] if n in given else by_lower_name[n.lower()] for n, _ in declared}


def read_object(body: bytes, *, required: bool, exact: bool = False) -> dict[str, Any]:
    """The JSON object in `body`; an empty body counts as an empty one unless `required`.

    `exact` keeps every digit of large integers, slowly.
    """
    text = body.removeprefix(_BOM)
    if not text.strip() and not required:
        return {}
    given = _read_json(text, exact=exact)
    if not isinstance(given, dict):
        raise InputError(f"The body must be a JSON object with the inputs, not {kind_of(given)}.")
    return given


def _read_json(text: bytes, *, exact: bool) -> Any:
    if orjson is not None and not exact:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # NaN and Infinity are no JSON but must be taken
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError("The body is not usable JSON: nested too deeply.") from None
    except ValueError as error:  # includes text that is not UTF-8
        raise InputError(f"The body is not valid JSON: {error}.") from None


def _integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    if type(value) is float:
        if value != value:  # NaN: not available
            return None
        if value.is_integer():
            return int(value)
        raise InputError(f"must be a whole number, not {value}")
    raise InputError(f"must be a whole number, not {kind_of(value)}")


def _numeric(value: Any) -> float:
    if type(value) not in _NUMBERS:
        raise InputError(f"must be a number, not {kind_of(value)}")
    try:
        return float(value)
    except OverflowError:
        raise InputError("is too large a number") from None


def _logical(value: Any) -> bool:
    if type(value) is not bool:
        raise InputError(f"must be true or false, not {kind_of(value)}")
    return value


def _character(value: Any) -> str:
    if type(value) is not str:
        raise InputError(f"must be a string, not {kind_of(value)}")
    return value


def _vector(value: Any) -> list[Any]:
    if type(value) in _SCALARS:
        return [value]
    if not isinstance(value, list):
        raise InputError(f"must be an array of scalars, not {kind_of(value)}")
    _check_scalars(value, "element")
    return value


def _matrix(value: Any) -> list[list[Any]]:
    if type(value) in _SCALARS:
        return [[value]]
    if not isinstance(value, list):
        raise InputError(f"must be an array of rows, not {kind_of(value)}")
    rows = [_vector(row) for row in value]
    if len({len(row) for row in rows}) > 1:
        raise InputError("its rows differ in length")
    return rows


def _data_frame(value: Any) -> dict[str, list[Any]]:
    if isinstance(value, list):
        return _columns_of_rows(value)
    if not isinstance(value, dict):
        raise InputError(
            f"must be an object of columns or an array of row objects, not {kind_of(value)}"
        )
    if _is_plain_frame(value.values()):
        return value
    columns = {}
    for name, column in value.items():
        try:
            columns[name] = _vector(column)
        except InputError as error:
            raise InputError(f"column {name!r} {error.message}") from None
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise InputError(f"its columns differ in length: {lengths[:300]}")
    return columns


def _is_plain_frame(columns: Iterable[Any]) -> bool:
    """Whether they are lists of scalars of one length, as nearly always: told at one look."""
    return (
        set(map(type, columns)) == _ONE_LIST
        and len(set(map(len, columns))) == 1
        and set(map(type, chain.from_iterable(columns))) <= _SCALARS
    )


def _columns_of_rows(rows: list[Any]) -> dict[str, list[Any]]:
    names: dict[str, None] = {}  # ordered by first appearance
    for row in rows:
        if not isinstance(row, dict):
            raise InputError(f"must have an object in every row, not {kind_of(row)}")
        names.update(dict.fromkeys(row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, column in columns.items():
        _check_scalars(column, f"cell of column {name!r}")
    return columns


def _check_scalars(values: Iterable[Any], what: str) -> None:
    if not set(map(type, values)) <= _SCALARS:
        wrong = next(value for value in values if type(value) not in _SCALARS)
        raise InputError(f"must have a scalar in every {what}, not {kind_of(wrong)}")


def kind_of(value: Any) -> str:
    """What a JSON value is, for a message."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


_FORMS: dict[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "numeric": _numeric,
    "logical": _logical,
    "character": _character,
    "vector": _vector,
    "matrix": _matrix,
    "data.frame": _data_frame,
}
TYPES = frozenset(_FORMS)
