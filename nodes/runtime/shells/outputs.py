"""Objects of Python code as JSON (wire-api section 12)."""

import datetime
import decimal
import enum
import fractions
import json
import math
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set, ValuesView
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from ..fast_json import orjson

_SEQUENCES = (list, tuple, Set, deque, range, ValuesView, np.ndarray, pd.Series, pd.Index)
_INT64 = range(-(2**63), 2**63)


class OutputError(ValueError):
    """An object that JSON cannot hold."""


def encode_outputs(values: Mapping[str, tuple[str, Any]]) -> bytes:
    """The JSON object of outputs; `values` has for each name its declared type and its value."""
    shaped = {}
    for name, (kind, value) in values.items():
        try:
            shaped[name] = _shape(kind, value)
        except OutputError as error:
            raise _refusal(name, kind, str(error)) from None
    if orjson is not None:
        try:
            return orjson.dumps(
                shaped,
                default=_natural,
                option=orjson.OPT_PASSTHROUGH_DATACLASS
                | orjson.OPT_PASSTHROUGH_SUBCLASS
                | orjson.OPT_PASSTHROUGH_DATETIME,
            )
        except TypeError:
            pass  # whole numbers beyond 64 bits, keys that are no text, or what we refuse below
    return _encode_carefully(shaped, values)


def encode_named(name: str, value: Any) -> bytes:
    """The JSON object of one output of undeclared type."""
    try:
        text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise _cannot(name, "it contains itself or is nested too deeply") from None
    except (OutputError, ValueError) as error:
        raise _cannot(name, str(error)) from None
    return f'{{"name":{json.dumps(name)},"value":{text}}}'.encode()


def _encode_carefully(shaped: dict[str, Any], values: Mapping[str, tuple[str, Any]]) -> bytes:
    parts = []
    for name, value in shaped.items():
        try:
            text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False)
        except RecursionError:
            reason = "it contains itself or is nested too deeply"
            raise _refusal(name, values[name][0], reason) from None
        except (OutputError, ValueError) as error:
            raise _refusal(name, values[name][0], str(error)) from None
        parts.append(f"{json.dumps(name)}:{text}")
    return "{{{}}}".format(",".join(parts)).encode()


def _refusal(name: str, kind: str, reason: str) -> OutputError:
    return _cannot(f"{name} ({kind})", reason)


def _cannot(name: str, reason: str) -> OutputError:
    return OutputError(f"Output {name} cannot be represented in JSON: {reason}.")


def plain(value: Any) -> Any:
    """`value` in nothing but what the json module takes, all the way down."""
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is str:
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if kind is dict:
        return {_key(name): plain(item) for name, item in value.items()}
    return plain(_natural(value))


def _natural(value: Any) -> Any:
    """One step from any object towards JSON; `OutputError` when there is none."""
    if isinstance(value, np.ndarray | np.generic):
        return _natural_numpy(value)
    if isinstance(value, pd.DataFrame):
        return columns(value)
    if isinstance(value, pd.Series | pd.Index):
        return _items(value)
    if value is pd.NA or value is pd.NaT:
        return None
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    raise OutputError(f"it holds an object of type {_type_name(value)}")


def _natural_numpy(value: Any) -> Any:
    if value.dtype.kind in "mM":
        return _items(pd.Series(np.ravel(value))) if np.ndim(value) else _date(value)
    if value.dtype.kind in "cV":
        raise OutputError(f"it holds numbers of type {value.dtype}")
    if value.dtype.kind == "S":
        raise OutputError("it holds bytes")
    if value.dtype == np.longdouble:
        return value.astype(float).tolist()
    return value.tolist()


def _date(value: Any) -> Any:
    if np.isnat(value):
        return None
    moment = pd.Timestamp(value) if value.dtype.kind == "M" else pd.Timedelta(value)
    return moment.isoformat()


def _items(series: "pd.Series[Any] | pd.Index[Any]") -> list[Any]:
    """The elements, missing ones as None where the type can tell."""
    if series.dtype.kind in "biufc" and isinstance(series.dtype, np.dtype):
        return _natural_numpy(series.to_numpy())  # type: ignore[no-any-return]
    missing = series.isna()
    return [None if gone else item for item, gone in zip(series.tolist(), missing, strict=True)]


def columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """The cells by column, each column under a name of its own."""
    return {name: _items(frame.iloc[:, place]) for place, name in enumerate(column_names(frame))}


def column_names(frame: pd.DataFrame) -> list[str]:
    """A name of its own for each column."""
    names: dict[str, None] = {}
    for name in frame.columns:
        unique = text = _key(name)
        number = 0
        while unique in names:  # as R does: x, x.1, x.2
            number += 1
            unique = f"{text}.{number}"
        names[unique] = None
    return list(names)


def _key(name: Any) -> str:
    if isinstance(name, str):
        return str.encode(name, "utf-8", "replace").decode()
    if isinstance(name, tuple):
        return ".".join(map(_key, name))
    if isinstance(name, datetime.date):
        return name.isoformat()
    if isinstance(name, bool | int | float | np.generic | enum.Enum | uuid.UUID):
        return str(name)
    raise OutputError(f"it has a key of type {_type_name(name)}")


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_key(name): item for name, item in value.items()}


def _decimal(value: Any) -> float | int:
    number = float(value)
    return int(value) if number.is_integer() and int(number) in _INT64 else number


_CONVERSIONS: list[tuple[Any, Callable[[Any], Any]]] = [
    (enum.Enum, lambda value: value.value),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str.__str__),
    (pd.Timedelta, lambda value: value.isoformat()),
    (datetime.date | datetime.time, lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: pd.Timedelta(value).isoformat()),
    (pd.Period | pd.Interval | uuid.UUID | PurePath, str),
    (pd.api.extensions.ExtensionArray, lambda value: _items(pd.Series(value))),
    (decimal.Decimal, lambda value: _decimal(value) if value.is_finite() else None),
    (fractions.Fraction, _decimal),
    (Mapping, _mapping),
    (list | tuple | Set | deque | range | ValuesView, list),
]


def _type_name(value: Any) -> str:
    kind = type(value)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _shape(kind: str, value: Any) -> Any:
    """The value in the form of its declared type when it fits, else as it is."""
    if value is None:
        return None
    if kind == "data.frame":
        return shape_frame(value)
    if kind == "matrix":
        return value.to_numpy() if isinstance(value, pd.DataFrame) else value
    if kind == "vector":
        return _shape_vector(value)
    return _SCALAR_SHAPES[kind](_only_element(value))


def _only_element(value: Any) -> Any:
    """The element of a container of exactly one: declared scalars travel unboxed."""
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.reshape(1)[0]
    if isinstance(value, _SEQUENCES) and len(value) == 1:
        return next(iter(value))
    return value


def _shape_integer(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def _shape_numeric(value: Any) -> Any:
    return float(value) if isinstance(value, bool | np.bool_ | np.floating) else value


def _shape_logical(value: Any) -> Any:
    if isinstance(value, int | float | np.number) and value in (0, 1):
        return bool(value)
    return value


def _shape_character(value: Any) -> Any:
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return str(value) if math.isfinite(value) else None
    return value


_SCALAR_SHAPES = {
    "integer": _shape_integer,
    "numeric": _shape_numeric,
    "logical": _shape_logical,
    "character": _shape_character,
}


def _shape_vector(value: Any) -> Any:
    if type(value) is list:
        return value
    if isinstance(value, pd.DataFrame) and value.shape[1] == 1:
        return value.iloc[:, 0]
    if isinstance(value, np.ndarray) and value.ndim > 1 and value.size == max(value.shape):
        return np.asarray(value).ravel()
    if isinstance(value, Iterable) and not isinstance(value, (*_SEQUENCES, str, bytes, Mapping)):
        return value if isinstance(value, pd.DataFrame) else list(value)
    return value


def shape_frame(value: Any) -> Any:
    """The value as a data frame when it is one in another guise, else as it is."""
    if isinstance(value, pd.Series):
        return value.to_frame(name="0" if value.name is None else value.name)
    if isinstance(value, np.ndarray) and value.dtype.names:
        return pd.DataFrame(value)
    if isinstance(value, list) and value and all(type(row) is dict for row in value):
        return pd.DataFrame(value)
    return value
