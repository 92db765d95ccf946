"""Large bodies put together from pieces without keeping everybody else waiting.

Joining the pieces of a hundred megabytes takes tens of milliseconds, in which an event loop answers
nobody, and in which no other thread runs either.
"""

import io
from collections.abc import Iterator

LARGE_BYTES = 1024**2


def sliced(body: bytes | memoryview, start: int = 0) -> Iterator[memoryview]:
    """The bytes from `start` on in pieces that are quickly copied, or written to a socket: one that
    is read from at the same time would take all of a large body at once."""
    view = memoryview(body)
    for place in range(start, len(view), LARGE_BYTES):
        yield view[place : place + LARGE_BYTES]


class Pieces:
    """Bytes that arrive in pieces; each costs only itself."""

    __slots__ = ("_first", "_rest", "size")

    def __init__(self) -> None:
        self._first: bytes | None = None
        self._rest: io.BytesIO | None = None
        self.size = 0

    def add(self, piece: bytes | memoryview) -> None:
        """Take the next piece."""
        self.size += len(piece)
        if self._first is None and isinstance(piece, bytes):
            self._first = piece  # nearly always the only one
            return
        if self._rest is None:
            self._rest = io.BytesIO()
            self._rest.write(self._first or b"")
            self._first = b""
        self._rest.write(piece)

    def whole(self) -> bytes:
        """All of them; not copied once more, for the buffer becomes the bytes."""
        return self._rest.getvalue() if self._rest else self._first or b""
