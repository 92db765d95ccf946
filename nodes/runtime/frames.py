"""Frames between a node and its shells: u32 header length, u64 body length, JSON header, body.

Lengths are big-endian. Used on both sides.
"""

import json
import struct
from typing import Any

from .fast_json import orjson
from .pieces import Pieces

PREFIX = struct.Struct(">IQ")
HEADER_MAX_BYTES = 4 * 1024**2


def _dumps(header: dict[str, Any]) -> bytes:
    if orjson is not None:
        try:
            return orjson.dumps(header)
        except TypeError:  # half a surrogate pair in a message of user code
            pass
    return json.dumps(header, separators=(",", ":")).encode()


def _loads(text: bytes | bytearray) -> Any:
    if orjson is not None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:  # such halves, and numbers that are none
            pass
    return json.loads(text)


class FrameError(Exception):
    """What arrived is no frame."""


def encode_head(header: dict[str, Any], body_length: int) -> bytes:
    """The bytes before the body."""
    text = _dumps(header)
    return PREFIX.pack(len(text), body_length) + text


class FrameDecoder:
    """Cuts a byte stream into frames; `body_max_bytes` bounds what one may bring."""

    def __init__(self, body_max_bytes: int) -> None:
        self._body_max_bytes = body_max_bytes
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None
        self._body_length = 0
        self._body = Pieces()

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the stream."""
        self._buffer += data

    def next_frame(self) -> tuple[dict[str, Any], bytes] | None:
        """The next whole frame, None while it is incomplete; `FrameError` when it cannot be one."""
        if self._header is None and not self._take_header():
            return None
        if self._header is None:
            return None
        if n_missing := self._body_length - self._body.size:
            self._body.add(bytes(self._buffer[:n_missing]))
            del self._buffer[:n_missing]
            if self._body.size < self._body_length:
                return None
        frame = self._header, self._body.whole()
        self._header, self._body = None, Pieces()
        return frame

    def _take_header(self) -> bool:
        if len(self._buffer) < PREFIX.size:
            return False
        header_length, body_length = PREFIX.unpack_from(self._buffer)
        if header_length > HEADER_MAX_BYTES:
            raise FrameError("the header is too long")
        if body_length > self._body_max_bytes:
            raise FrameError(f"the answer is larger than {self._body_max_bytes} bytes")
        end = PREFIX.size + header_length
        if len(self._buffer) < end:
            return False
        try:
            header = _loads(self._buffer[PREFIX.size : end])
        except ValueError:
            raise FrameError("the header is not JSON") from None
        if not isinstance(header, dict):
            raise FrameError("the header is not an object")
        del self._buffer[:end]
        self._header, self._body_length = header, body_length
        return True
