"""The few parts of FlatBuffers that Arrow's messages are made of.

Reading checks every place that the bytes point to: they come from anybody. `struct.error`,
`IndexError` or `ValueError` says that one lies outside.
"""

import struct
from typing import Any

import flatbuffers  # type: ignore[import-untyped]

_OFFSET = struct.Struct("<I")
_SIGNED_OFFSET = struct.Struct("<i")
_SHORT = struct.Struct("<H")


class Table:
    """A table at a place in `data`; fields go by their number in the schema."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._layout = place - self._at(_SIGNED_OFFSET, place)
        self._layout_size = self._at(_SHORT, self._layout)

    @classmethod
    def root(cls, data: bytes) -> "Table":
        """The outermost table of the bytes."""
        return cls(data, _OFFSET.unpack_from(data)[0])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A field of a number, as `struct` names its form."""
        place = self._field(field)
        return self._at(struct.Struct(f"<{form}"), place) if place else default

    def table(self, field: int) -> "Table | None":
        """A field of a table; None when there is none."""
        place = self._field(field)
        return Table(self._data, self._target(place)) if place else None

    def text(self, field: int) -> str:
        """A field of a string, "" when there is none."""
        place = self._field(field)
        if not place:
            return ""
        start, length = self._vector(place)
        return self._piece(start, length).decode()

    def tables(self, field: int) -> list["Table"]:
        """A field of several tables."""
        place = self._field(field)
        if not place:
            return []
        start, length = self._vector(place)
        self._piece(start, 4 * length)
        return [Table(self._data, self._target(start + 4 * index)) for index in range(length)]

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A field of several structs of two 64-bit numbers."""
        place = self._field(field)
        if not place:
            return []
        start, length = self._vector(place)
        return list(struct.iter_unpack("<qq", self._piece(start, 16 * length)))

    def _field(self, field: int) -> int:
        """The place of a field, 0 when it is left out."""
        entry = 4 + 2 * field
        if entry + 2 > self._layout_size:
            return 0
        offset = self._at(_SHORT, self._layout + entry)
        return self._place + offset if offset else 0

    def _target(self, place: int) -> int:
        return place + int(self._at(_OFFSET, place))

    def _vector(self, place: int) -> tuple[int, int]:
        """Where the elements of the vector begin that `place` refers to, and how many there are."""
        start = self._target(place)
        return start + 4, self._at(_OFFSET, start)

    def _at(self, form: struct.Struct, place: int) -> Any:
        if place < 0:
            raise IndexError(place)
        return form.unpack_from(self._data, place)[0]

    def _piece(self, start: int, length: int) -> bytes:
        if start + length > len(self._data):
            raise IndexError(start + length)
        return self._data[start : start + length]


class Builder:
    """Makes messages, the inner parts first; parts go by the numbers that these methods give."""

    def __init__(self) -> None:
        self._builder: Any = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        """A string."""
        return int(self._builder.CreateString(value))

    def table(self, n_fields: int, *fields: tuple[int, str, int]) -> int:
        """A table of (number, form, value) each; the form is that of `struct`, or "part"."""
        builder = self._builder
        prepend = {
            "b": builder.PrependInt8Slot,
            "h": builder.PrependInt16Slot,
            "i": builder.PrependInt32Slot,
            "q": builder.PrependInt64Slot,
            "?": builder.PrependBoolSlot,
            "part": builder.PrependUOffsetTRelativeSlot,
        }
        builder.StartObject(n_fields)
        for number, form, value in fields:
            prepend[form](number, value, 0)
        return int(builder.EndObject())

    def tables(self, parts: list[int]) -> int:
        """Several tables."""
        self._builder.StartVector(4, len(parts), 4)
        for part in reversed(parts):
            self._builder.PrependUOffsetTRelative(part)
        return int(self._builder.EndVector())

    def pairs(self, values: list[tuple[int, int]]) -> int:
        """Several structs of two 64-bit numbers."""
        self._builder.StartVector(16, len(values), 8)
        for first, second in reversed(values):
            self._builder.Prep(8, 16)
            self._builder.PrependInt64(second)
            self._builder.PrependInt64(first)
        return int(self._builder.EndVector())

    def message(self, root: int) -> bytes:
        """The bytes, `root` the outermost table."""
        self._builder.Finish(root)
        return bytes(self._builder.Output())
