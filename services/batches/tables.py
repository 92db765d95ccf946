"""The items of a batch from a table that somebody has pasted or uploaded: one row, one item.

Each column is an input. Where the version takes one data frame that no column is named after, the
columns that are no inputs are the frame's, a row of it for each item. A JSON array, as the REST API
takes it, is fine as well.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.errors import InvalidRequest
from services.batches.items import Items, read_items

FIRST_ROWS = 5

_DELIMITERS = (",", ";", "\t")
_TRUE, _FALSE = {"true", "t"}, {"false", "f"}
_MISSING = {"", "na"}  # as R writes it; among text an empty cell is an empty text
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})(\.0*)?")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_SHOWN_LETTERS = 80

Declared = Sequence[tuple[str, str]]  # name and type of each input


@dataclass(frozen=True)
class Table:
    """What was understood: the items, and what to show of them before they are run."""

    body: bytes  # a JSON array of objects of inputs
    n_items: int
    columns: Sequence[str]
    first_rows: Sequence[Sequence[str]]
    left_out: Sequence[str]  # columns that are no inputs


def read_table(text: str, declared: Declared, *, max_items: int) -> Table:
    """The items of the text; raises InvalidRequest that says in which line and column it is wrong.

    Every item fits the declared inputs, as the REST API would have it.
    """
    text = text.removeprefix("\ufeff").strip("\r\n")
    if not text.strip():
        raise InvalidRequest("There are no rows: paste a table, or choose a file.", fields="rows")
    if text.lstrip().startswith("["):
        return _of_json(text, declared, max_items)
    header, rows = _rows(text, max_items)
    sources, frame, left_out = _matched(header, declared)
    items = _items(rows, header, sources, frame)
    body = b"[" + b",".join(items) + b"]"
    read = read_items(body, declared, max_items=max_items)
    shown = [[_cut(cell) for cell in cells] for _, cells in rows[:FIRST_ROWS]]
    return Table(body, len(read), header, shown, left_out)


def _of_json(text: str, declared: Declared, max_items: int) -> Table:
    body = text.encode(errors="replace")
    items: Items = read_items(body, declared, max_items=max_items)
    first = [json.loads(items.text[start:end]) for start, end in items.spans[:FIRST_ROWS]]
    names = [name for name, _ in declared]
    rows = [
        [_cut(json.dumps(item.get(name), ensure_ascii=False)) for name in names] for item in first
    ]
    return Table(body, len(items), names, rows, ())


def _rows(text: str, max_items: int) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the cells of each row with the number of its line."""
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [name.strip() for name in next(reader)]
        _check_header(header)
        for cells in reader:
            if not any(cell.strip() for cell in cells) and len(cells) != len(header):
                continue  # a blank line
            if len(cells) != len(header):
                raise InvalidRequest(
                    f"Line {reader.line_num} has {len(cells)} cells, the header has {len(header)}.",
                    fields="rows",
                )
            if len(rows) == max_items:
                raise InvalidRequest(f"A batch must not have more than {max_items} items.")
            rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise InvalidRequest(f"Line {reader.line_num} is no CSV: {error}.", fields="rows") from None
    if not rows:
        raise InvalidRequest("Below the header there are no rows.", fields="rows")
    return header, rows


def _check_header(header: Sequence[str]) -> None:
    for number, name in enumerate(header, 1):
        if not name:
            raise InvalidRequest(f"Column {number} has no name in the first line.", fields="rows")
    if twice := {name for name in header if header.count(name) > 1}:
        raise InvalidRequest(f"Two columns are named {min(twice)}.", fields="rows")


def _matched(
    header: Sequence[str], declared: Declared
) -> tuple[list[tuple[str, str, int]], tuple[str, list[int]] | None, list[str]]:
    """Name, type and column of each input; the frame that the other columns make, with these; and
    the names of those left out."""
    places = {name: place for place, name in enumerate(header)}
    lower = {name.lower(): place for place, name in reversed(list(enumerate(header)))}
    sources, missing = [], []
    for name, kind in declared:
        place = places.get(name, lower.get(name.lower()))
        if place is None:
            missing.append((name, kind))
        else:
            sources.append((name, kind, place))
    used = {place for _, _, place in sources}
    others = [place for place in range(len(header)) if place not in used]
    if len(missing) == 1 and missing[0][1] == "data.frame" and others:
        return sources, (missing[0][0], others), []
    if missing:
        names = ", ".join(f"{name} ({kind})" for name, kind in missing)
        raise InvalidRequest(
            f"The first line names no column for {names}. It names {', '.join(header)}.",
            fields="rows",
        )
    return sources, None, [header[place] for place in others]


def _items(
    rows: Sequence[tuple[int, list[str]]],
    header: Sequence[str],
    sources: Sequence[tuple[str, str, int]],
    frame: tuple[str, list[int]] | None,
) -> Iterator[bytes]:
    """The JSON object of each row."""
    frame_name, frame_places = frame or ("", [])
    readers = [(place, _reader([row[place] for _, row in rows])) for place in frame_places]
    for line, cells in rows:
        item: dict[str, Any] = {}
        for name, kind, place in sources:
            try:
                item[name] = _READERS[kind](cells[place])
            except ValueError as error:
                fault = f"Line {line}, column {header[place]}: {_cut(cells[place])!r} {error}."
                raise InvalidRequest(fault, fields="rows") from None
        if frame:
            item[frame_name] = {header[place]: [read(cells[place])] for place, read in readers}
        yield json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _reader(cells: Sequence[str]) -> Callable[[str], Any]:
    """How to read the cells of a column whose type nobody has declared: all in the same way."""
    for read in (_integer, _numeric, _logical):
        try:
            if {read(cell) for cell in cells} != {None}:
                return read
        except ValueError:
            continue
    return _text_or_null


def _integer(cell: str) -> int | None:
    text = cell.strip()
    if text.lower() in _MISSING:
        return None
    if not _INTEGER.fullmatch(text):
        raise ValueError("is no whole number")
    return int(text.partition(".")[0])


def _numeric(cell: str) -> float | None:
    text = cell.strip()
    if text.lower() in _MISSING:
        return None
    if not _NUMBER.fullmatch(text) or not any(map(str.isdigit, text)):
        raise ValueError("is no number")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("is too large a number")
    return number


def _logical(cell: str) -> bool | None:
    text = cell.strip().lower()
    if text in _MISSING:
        return None
    if text not in _TRUE | _FALSE:
        raise ValueError("is neither true nor false")
    return text in _TRUE


def _character(cell: str) -> str:
    return cell


def _text_or_null(cell: str) -> str | None:
    return cell or None


def _json(cell: str) -> Any:
    try:
        return json.loads(cell) if cell.strip() else None
    except ValueError:
        raise ValueError("is no JSON, such as [1, 2]") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "numeric": _numeric,
    "logical": _logical,
    "character": _character,
    "vector": _json,
    "matrix": _json,
    "data.frame": _json,
}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…"
