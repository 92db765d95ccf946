"""Calls put together by their rows, before they are sent to run as one.

Only calls of one form go together: those whose inputs become objects of the same types, so that
code finds nothing in its variables but more rows. What types there are depends on the language. A
form is None where a call can only run alone.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

FLOAT = "f"

Declared = Sequence[tuple[str, str]]
Kind = Callable[[list[Any]], str | None]

_ONLY_FLOATS = {float}


class Kinds(NamedTuple):
    """What becomes of values, in a word; None when only these very values tell. FLOAT for those
    that are all of type float."""

    of_column: Kind
    of_array: Kind


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
    calls: Iterable[tuple[int, dict[str, Any]]], declared: Declared, max_rows: int, kinds: Kinds
) -> list[Group]:
    """The calls, each its place and plain inputs, in groups of one form and up to `max_rows` rows.

    Calls that nothing goes together with are in none.
    """
    open_groups: dict[Hashable, Group] = {}
    groups = []
    for place, inputs in calls:
        form, n_rows = _form(inputs, declared, kinds)
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


def _form(inputs: dict[str, Any], declared: Declared, kinds: Kinds) -> tuple[Hashable | None, int]:
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
        part, n_rows = _FORMS[kind](value, kinds)
        if part is None:
            return None, 0
        parts.append(part)
        lengths.add(n_rows)
    if len(lengths) != 1 or 0 in lengths:
        return None, 0
    return tuple(parts), lengths.pop()


def _form_of_frame(frame: dict[str, list[Any]], kinds: Kinds) -> tuple[Hashable | None, int]:
    cells = frame.values()
    n_rows = len(next(iter(cells)))
    names = tuple(frame)
    if set(map(type, chain.from_iterable(cells))) == _ONLY_FLOATS:
        return (names, FLOAT), n_rows
    found = [kinds.of_column(column) for column in cells]
    if None in found:
        return None, 0
    if set(found) == {FLOAT}:
        return (names, FLOAT), n_rows
    return (names, tuple(found)), n_rows


def _form_of_vector(values: list[Any], kinds: Kinds) -> tuple[Hashable | None, int]:
    return kinds.of_array(values), len(values)


def _form_of_matrix(rows: list[list[Any]], kinds: Kinds) -> tuple[Hashable | None, int]:
    kind = kinds.of_array(list(chain.from_iterable(rows)))
    return None if kind is None else (len(rows[0]), kind), len(rows)


_FORMS: dict[str, Callable[[Any, Kinds], tuple[Hashable | None, int]]] = {
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
