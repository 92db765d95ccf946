"""What a shell prints: one pipe, always drained, kept up to a bound for each call."""

import asyncio
import codecs
import contextlib
import fcntl
import os
import struct
import termios

_CHUNK_BYTES = 256 * 1024
_PIPE_BYTES = 1024**2
_Decoder = codecs.getincrementaldecoder("utf-8")


class Console:
    """The reading end of the pipe that is stdout and stderr of a shell and of its children."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, max_bytes: int) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._dropped = 0
        self._open = True
        os.set_blocking(descriptor, False)
        with contextlib.suppress(OSError):  # a bigger pipe only saves wake-ups
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        loop.add_reader(descriptor, self._read_once)

    def begin(self) -> None:
        """Forgets all that was printed so far: what follows belongs to the next call."""
        self._drain()
        self._kept.clear()
        self._dropped = 0

    def finish(self) -> str:
        """All that was printed since `begin`, with a note of how much was left out."""
        return self._text(final=True)

    def text(self) -> str:
        """The same while the call may still print: a character that is cut in two can wait."""
        return self._text(final=False)

    def close(self) -> None:
        """Stops reading; what a stray writer prints from now on gets it a SIGPIPE."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _text(self, *, final: bool) -> str:
        self._drain()
        text = _Decoder("replace").decode(self._kept, final or self._dropped > 0)
        if self._dropped:
            text += f"\n[{self._dropped} more bytes of console output were dropped]\n"
        return text

    def _drain(self) -> None:
        # Only what is in the pipe now: a stray writer must not keep us here.
        if not self._open:
            return
        size = fcntl.ioctl(self._descriptor, termios.FIONREAD, b"\0\0\0\0")
        waiting = struct.unpack("i", size)[0]
        while waiting > 0 and (count := self._read_once()):
            waiting -= count

    def _read_once(self) -> int:
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.close()
            return 0
        room = self._max_bytes - len(self._kept)
        self._kept += data[: max(room, 0)]
        self._dropped += max(len(data) - max(room, 0), 0)
        return len(data)
