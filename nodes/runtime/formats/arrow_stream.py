"""The Arrow IPC streaming format as columns, and columns as such a stream.

Own code, because the bytes come from anybody and are read beside user code: it must not break on
what is malformed, as small libraries do, nor bring a runtime of 170 MB that changes how pandas
keeps text. The format (Arrow, "Columnar Format", sections on serialization and IPC): messages of a
FlatBuffers head and a body, the first with the schema, the others with a record batch or the values
of a dictionary. Bodies that are compressed or of the other byte order are refused.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..inputs import InputError
from .arrow_types import Layout, Refused, layout_of, read_cells, shape
from .columns import Array, Column, Columns, compact
from .flat import Builder, Table

_CONTINUES = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_VERSION_5 = 4
_ALIGNMENT = 8


@dataclass(slots=True)
class _Field:
    """One column of the schema; `dictionary` is the layout of the values that its cells number."""

    name: str
    layout: Layout
    dictionary: Layout | None
    dictionary_id: int


# Reading.


def read(body: bytes) -> dict[str, Column]:
    """The columns by name; `InputError` when it is no such stream, or holds what has no place in a
    data frame."""
    try:
        return _read(body)
    except Refused as refusal:
        raise InputError(str(refusal)) from None
    except (struct.error, LookupError, ValueError, OverflowError, TypeError):
        raise InputError(
            "The body is not a stream of Arrow's IPC format; a file (Feather) is another format."
        ) from None


def _read(body: bytes) -> dict[str, Column]:
    fields: list[_Field] | None = None
    dictionaries: dict[int, Array] = {}
    pieces: list[list[Array]] = []
    for kind, head, content in _messages(body):
        if kind == _SCHEMA and fields is None:
            fields = _schema(head)
            pieces = [[] for _ in fields]
        elif fields is None:
            raise ValueError("the schema comes first")
        elif kind == _DICTIONARY:
            _take_dictionary(head, content, fields, dictionaries)
        elif kind == _BATCH:
            cells = _batch(head, content, [field.layout for field in fields])
            for column, field, found in zip(pieces, fields, cells, strict=True):
                column.append(_decoded(found, field, dictionaries))
    if fields is None:
        raise ValueError("no schema")
    return {field.name: _column(found) for field, found in zip(fields, pieces, strict=True)}


def _messages(body: bytes) -> Iterator[tuple[int, Table, memoryview]]:
    """The kind, head and body of each message."""
    view = memoryview(body)
    place = 0
    while place < len(view):
        if bytes(view[place : place + 4]) != _CONTINUES:
            raise ValueError("no message")
        (size,) = struct.unpack_from("<i", view, place + 4)
        if size == 0:
            return
        place += 8
        if size < 0 or place + size > len(view):
            raise ValueError("cut off")
        message = Table.root(bytes(view[place : place + size]))
        place += size
        head, length = message.table(2), message.number(3, "q")
        if head is None or length < 0 or place + length > len(view):
            raise ValueError("cut off")
        yield message.number(1, "B"), head, view[place : place + length]
        place += length


def _schema(head: Table) -> list[_Field]:
    if head.number(0, "h"):
        raise Refused("The Arrow stream has the byte order of big-endian machines; send the other.")
    fields = []
    names = set()
    for each in head.tables(1):
        name = each.text(0)
        if name in names:
            raise Refused(f"The Arrow stream has the column {name!r} twice.")
        names.add(name)
        layout = layout_of(each.number(2, "B"), each.table(3), name)
        encoding = each.table(4)
        if encoding is None:
            fields.append(_Field(name, layout, None, 0))
        else:  # the type is that of the values, the cells are their places
            places = layout_of(2, encoding.table(1), name, default_bits=32)
            fields.append(_Field(name, places, layout, encoding.number(0, "q")))
    return fields


def _take_dictionary(
    head: Table, content: memoryview, fields: Sequence[_Field], dictionaries: dict[int, Array]
) -> None:
    number, batch = head.number(0, "q"), head.table(1)
    layout = next(
        (each.dictionary for each in fields if each.dictionary and each.dictionary_id == number),
        None,
    )
    if layout is None or batch is None:
        raise ValueError("a dictionary of no column")
    (values,) = _batch(batch, content, [layout])
    if head.number(2, "?") and number in dictionaries:
        values = np.concatenate([dictionaries[number], values.astype(object)])
    dictionaries[number] = values.astype(object)


def _batch(head: Table, content: memoryview, layouts: Sequence[Layout]) -> list[Array]:
    """The cells of each column, as numbers or as objects."""
    if head.table(3) is not None:
        raise Refused("The Arrow stream is compressed; send it without compression.")
    n_rows = head.number(0, "q")
    nodes = iter(head.pairs(1))
    buffers = iter(head.pairs(2))
    columns = []
    for layout in layouts:
        length, n_missing = next(nodes, (-1, 0))
        if length != n_rows or not 0 <= length <= 8 * len(content) + 2**20:
            raise ValueError("columns of different lengths")
        taken = [_cut(content, *next(buffers, (-1, 0))) for _ in range(layout.n_buffers)]
        columns.append(read_cells(layout, taken, length, has_missing=n_missing != 0))
    return columns


def _cut(content: memoryview, offset: int, length: int) -> memoryview:
    if offset < 0 or length < 0 or offset + length > len(content):
        raise ValueError("a buffer outside of its message")
    return content[offset : offset + length]


def _decoded(cells: Array, field: _Field, dictionaries: dict[int, Array]) -> Array:
    if field.dictionary is None:
        return cells
    values = dictionaries.get(field.dictionary_id)
    if values is None:
        raise ValueError("a dictionary is missing")
    missing = np.array([place is None or place != place for place in cells.tolist()], dtype=bool)
    places = np.where(missing, 0, cells).astype(np.int64)
    if len(places) and missing.all():
        return np.full(len(places), None, dtype=object)
    if ((places < 0) | (places >= len(values))).any():
        raise IndexError("a place outside of its dictionary")
    found = values[places]
    found[missing] = None
    return found


def _column(pieces: list[Array]) -> Column:
    cells = np.concatenate(pieces) if pieces else np.array([], dtype=object)
    return compact(cells.tolist()) if cells.dtype == np.object_ else cells


# Writing.


def write(columns: Columns) -> bytes:
    """One schema, one record batch and the end of the stream; ValueError with the reason when a
    column's cells have no common type."""
    shaped = [(name, shape(name, column)) for name, column in columns.items()]
    n_rows = len(next(iter(columns.values()), ()))
    nodes, places, size = [], [], 0
    parts: list[bytes] = []
    for _, column in shaped:
        nodes.append((n_rows, column.n_missing))
        for buffer in column.buffers:
            places.append((size, len(buffer)))
            padding = -len(buffer) % _ALIGNMENT
            parts += (buffer, bytes(padding))
            size += len(buffer) + padding
    builder = Builder()
    fields = []
    for name, column in shaped:
        text, no_children = builder.text(name), builder.tables([])
        kind = builder.table(len(column.type_fields), *column.type_fields)
        fields.append(
            builder.table(
                7,
                *((0, "part", text), (1, "?", 1), (2, "b", column.type_number)),
                *((3, "part", kind), (5, "part", no_children)),
            )
        )
    schema = builder.table(4, (1, "part", builder.tables(fields)))
    head = _message(builder, _SCHEMA, schema, 0)
    builder = Builder()
    node_part, place_part = builder.pairs(nodes), builder.pairs(places)
    batch = builder.table(5, (0, "q", n_rows), (1, "part", node_part), (2, "part", place_part))
    return b"".join((head, _message(builder, _BATCH, batch, size), *parts, _CONTINUES, bytes(4)))


def _message(builder: Builder, kind: int, part: int, body_size: int) -> bytes:
    root = builder.table(
        5, (0, "h", _VERSION_5), (1, "b", kind), (2, "part", part), (3, "q", body_size)
    )
    text = builder.message(root)
    text += bytes(-len(text) % _ALIGNMENT)
    return _CONTINUES + struct.pack("<i", len(text)) + text
