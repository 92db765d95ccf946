"""Calls put together by their rows, and what comes of them taken apart again.

Only calls of one form go together: those whose inputs become objects of the same types, so that
code finds nothing in its variables but more rows. A form is None where a call can only run alone.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from .outputs import columns, encode_outputs

Declared = Sequence[tuple[str, str]]

_INT64 = range(-(2**63), 2**63)
_FLOAT, _INTEGER, _LOGICAL, _TEXT = "fibs"
_NONE = type(None)
# What becomes of values of these types, in a column and in an array alike (values.py).
_KINDS: dict[frozenset[type], str] = {
    frozenset({float}): _FLOAT,
    frozenset({int, float}): _FLOAT,
    frozenset({float, _NONE}): _FLOAT,
    frozenset({int, _NONE}): _FLOAT,
    frozenset({int, float, _NONE}): _FLOAT,
    frozenset({_NONE}): _FLOAT,
    frozenset({int}): _INTEGER,
    frozenset({bool}): _LOGICAL,
    frozenset({bool, _NONE}): "objects: logical",
    frozenset({str}): _TEXT,
    frozenset({str, _NONE}): "objects: text",
}
_ONLY_FLOATS = {float}
_PLAIN_DTYPES = (np.dtype(float), np.dtype(int), np.dtype(bool))


class NotByRows(Exception):  # noqa: N818 - named for what happened
    """What came out has not one row for each row that went in."""


@dataclass(slots=True)
class Group:
    """Calls of one form, by their places among all calls, and the rows of each."""

    places: list[int]
    inputs: list[dict[str, Any]]
    n_rows: list[int]

    @property
    def total(self) -> int:
        """The rows of all."""
        return sum(self.n_rows)


def grouped(
    calls: Iterable[tuple[int, dict[str, Any]]], declared: Declared, max_rows: int
) -> list[Group]:
    """The calls, each its place and plain inputs, in groups of one form and up to `max_rows` rows.

    Calls that nothing goes together with are in none.
    """
    open_groups: dict[Hashable, Group] = {}
    groups = []
    for place, inputs in calls:
        form, n_rows = _form(inputs, declared)
        if form is None:
            continue
        group = open_groups.get(form)
        if group is None or group.total + n_rows > max_rows:
            group = open_groups[form] = Group([], [], [])
            groups.append(group)
        group.places.append(place)
        group.inputs.append(inputs)
        group.n_rows.append(n_rows)
    return [group for group in groups if len(group.places) > 1]


def together(group: Group, declared: Declared) -> dict[str, Any]:
    """The plain inputs of one call with the rows of all of the group's."""
    return {
        name: _TOGETHER.get(kind, _first)([inputs[name] for inputs in group.inputs])
        for name, kind in declared
    }


def encode_apart(values: dict[str, tuple[str, Any]], group: Group) -> list[bytes]:
    """The JSON object of outputs of each call, see `encode_outputs`; `NotByRows`."""
    pieces = {
        name: (kind, _apart(kind, value, group.n_rows)) for name, (kind, value) in values.items()
    }
    return [
        encode_outputs({name: (kind, parts[index]) for name, (kind, parts) in pieces.items()})
        for index in range(len(group.places))
    ]


def _form(inputs: dict[str, Any], declared: Declared) -> tuple[Hashable | None, int]:
    """What calls that go together have in common, and how many rows this one has."""
    parts: list[Hashable] = []
    lengths = set()
    for name, kind in declared:
        value = inputs[name]
        if kind not in _TOGETHER:
            parts.append((type(value), repr(value)))  # one and the same for all of them
            continue
        if not value:  # null, or nothing that would tell its type
            return None, 0
        part, n_rows = _FORMS[kind](value)
        if part is None:
            return None, 0
        parts.append(part)
        lengths.add(n_rows)
    if len(lengths) != 1 or 0 in lengths:
        return None, 0
    return tuple(parts), lengths.pop()


def _form_of_frame(frame: dict[str, list[Any]]) -> tuple[Hashable | None, int]:
    cells = frame.values()
    n_rows = len(next(iter(cells)))
    names = tuple(frame)
    if set(map(type, chain.from_iterable(cells))) == _ONLY_FLOATS:
        return (names, _FLOAT), n_rows
    kinds = []
    for column in cells:
        kind = _kind(column)
        if kind is None:
            return None, 0
        # Texts and gaps share the type of text columns, which arrays do not have.
        kinds.append(_TEXT if kind == "objects: text" else kind)
    if set(kinds) == {_FLOAT}:
        return (names, _FLOAT), n_rows
    return (names, tuple(kinds)), n_rows


def _form_of_vector(values: list[Any]) -> tuple[Hashable | None, int]:
    return _kind(values), len(values)


def _form_of_matrix(rows: list[list[Any]]) -> tuple[Hashable | None, int]:
    kind = _kind(list(chain.from_iterable(rows)))
    return None if kind is None else (len(rows[0]), kind), len(rows)


def _kind(values: list[Any]) -> str | None:
    types = frozenset(map(type, values))
    # Beyond 64 bits numpy takes another type for the whole column.
    if int in types and any(type(value) is int and value not in _INT64 for value in values):
        return None
    return _KINDS.get(types)


_FORMS: dict[str, Callable[[Any], tuple[Hashable | None, int]]] = {
    "data.frame": _form_of_frame,
    "vector": _form_of_vector,
    "matrix": _form_of_matrix,
}


def _frames_together(frames: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    return {
        name: list(chain.from_iterable(parts))
        for name, parts in zip(
            frames[0], zip(*(frame.values() for frame in frames), strict=True), strict=True
        )
    }


def _lists_together(parts: list[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _first(values: list[Any]) -> Any:
    return values[0]


_TOGETHER: dict[str, Callable[[list[Any]], Any]] = {
    "data.frame": _frames_together,
    "vector": _lists_together,
    "matrix": _lists_together,
}


def _apart(kind: str, value: Any, n_rows: Sequence[int]) -> list[Any]:
    """The piece of each call, of which `encode_outputs` makes what it would make of it alone."""
    if value is None:  # never assigned
        return [None] * len(n_rows)
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


def _slices(value: Any, n_rows: Sequence[int]) -> list[Any]:
    pieces = []
    start = 0
    for count in n_rows:
        pieces.append(value[start : start + count])
        start += count
    return pieces
