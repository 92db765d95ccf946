"""Many scoring calls at a time over one connection between a web node and a compute node.

HTTP carries one call at a time per connection: each costs both sides a head to write and to parse,
and every process a few system calls. Here calls and answers of the same moment share them. A web
node uses it for small calls once a node has offered it (see `OFFER`); all else goes over HTTP.

The web node opens it on the node's port with a line, which the node repeats without the key:

    MLOPS-MULTIPLEX/1 {cluster key}\r\n

Then both send frames: a head (kind, number of the call, two numbers, size) and `size` bytes.

    CALL    web → node   ids of the bundle and of the request, as long as the two numbers; body
    CANCEL  web → node   nobody waits for the call any more
    PIECE   node → web   a part of an answer's body, more to follow
    ANSWER  node → web   the rest of it; the first number is the status, as over HTTP
    BYE     node → web   further calls are refused; to be closed when those under way are answered
"""

import asyncio
import struct
from collections.abc import Iterator

PREFACE = b"MLOPS-MULTIPLEX/1"
OFFER = b"x-multiplex"  # the header of HTTP answers by which a node offers it
CALL, CANCEL, PIECE, ANSWER, BYE = range(1, 6)
HEAD = struct.Struct(">BIHHI")
CALL_BYTES = 64 * 1024  # larger bodies would keep other calls waiting
PIECE_BYTES = 64 * 1024
# So many frames share a system call. With more of them the two sides would wait for each other,
# instead of each working on some calls while the other does on others.
_FRAMES_AT_ONCE = 2
_FRAME_BYTES = 2 * CALL_BYTES

Frame = tuple[int, int, int, int, bytes]


class NotAFrame(ValueError):  # noqa: N818 - named for what it is
    """What arrived cannot be a frame."""


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now: kind, call, the two numbers, payload; `NotAFrame`."""
        if self._rest:
            data = self._rest + data
        start, end = 0, len(data)
        while end - start >= HEAD.size:
            kind, call, first, second, size = HEAD.unpack_from(data, start)
            if size > _FRAME_BYTES:
                raise NotAFrame(f"a frame of {size} bytes")
            begin = start + HEAD.size
            if begin + size > end:
                break
            start = begin + size
            yield kind, call, first, second, data[begin:start]
        self._rest = data[start:]


class Outbox:
    """Sends together what is written in one turn of the event loop: frames are many and small."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []

    def write(self, frame: bytes) -> None:
        """Send it soon."""
        if not self._frames:
            self._loop.call_soon(self._send)
        self._frames.append(frame)
        if len(self._frames) >= _FRAMES_AT_ONCE:
            self._send()

    def _send(self) -> None:
        if self._frames:
            data = b"".join(self._frames)
            self._frames.clear()
            if not self._transport.is_closing():
                self._transport.write(data)


def call_frame(call: int, bundle_id: bytes, correlation_id: bytes, body: bytes) -> bytes:
    """The request to score the body."""
    n_bundle, n_correlation = len(bundle_id), len(correlation_id)
    size = n_bundle + n_correlation + len(body)
    head = HEAD.pack(CALL, call, n_bundle, n_correlation, size)
    return b"".join((head, bundle_id, correlation_id, body))


def cancel_frame(call: int) -> bytes:
    """The word that nobody waits for the call any more."""
    return HEAD.pack(CANCEL, call, 0, 0, 0)


def bye_frame() -> bytes:
    """The word that the node stops."""
    return HEAD.pack(BYE, 0, 0, 0, 0)


def answer_frames(call: int, status: int, body: bytes) -> Iterator[bytes]:
    """The answer, in pieces between which those to other calls can go out."""
    start = 0
    while len(body) - start > PIECE_BYTES:
        piece = body[start : start + PIECE_BYTES]
        yield HEAD.pack(PIECE, call, 0, 0, len(piece)) + piece
        start += PIECE_BYTES
    rest = body[start:] if start else body
    yield HEAD.pack(ANSWER, call, status, 0, len(rest)) + rest
