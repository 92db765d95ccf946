"""The socket between the node and one shell: one request frame out, one answer frame in."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from .errors import ShellUnreached
from .frames import FrameDecoder, FrameError, encode_head
from .pieces import LARGE_BYTES

_CHUNK_BYTES = 256 * 1024

Frame = tuple[dict[str, Any], bytes]


class Channel:
    """Frames over a connected stream socket, without a transport between it and the system calls.

    A transport would accept bytes for a shell that is dead already; here a request that cannot be
    delivered is known as such, so another shell may take it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        *,
        body_max_bytes: int,
        on_closed: Callable[[str, bool], None],
        received: bytes = b"",
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._decoder = FrameDecoder(body_max_bytes)
        self._decoder.feed(received)
        self._on_closed = on_closed
        self._answer: asyncio.Future[Frame] | None = None
        self._unsent: memoryview | None = None
        self._open = True
        self._unread = False
        sock.setblocking(False)
        loop.add_reader(sock, self._read)

    def expect(self) -> "asyncio.Future[Frame]":
        """The next frame of the shell; cancelled when the channel closes before it is here."""
        if self._answer is not None:
            raise RuntimeError("a shell serves one request at a time")
        answer = self._answer = self._loop.create_future()
        self._take_frame()  # it may have come along with what was read before
        return answer

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Sends a request; `ShellUnreached` when the shell has gone before any byte went out."""
        head = encode_head(header, len(body))
        self._check_alive()
        try:
            sent = self._socket.sendmsg([head, memoryview(body)[:LARGE_BYTES]])
        except BlockingIOError:
            sent = 0
        except OSError:
            raise ShellUnreached("the shell had ended") from None
        if sent < len(head) + len(body):
            # A large body is not copied for the sake of its head, which is gone already.
            whole = sent < len(head)
            self._unsent = memoryview(head + body if whole else body)
            self._unsent = self._unsent[sent if whole else sent - len(head) :]
            self._loop.add_writer(self._socket, self._write)

    def close(self, reason: str = "") -> None:
        """Ends the connection; a waiting `expect` is cancelled, `on_closed` told the reason, and
        whether the shell went without having read its request."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        answer, self._answer = self._answer, None
        if answer and not answer.done():
            answer.cancel()
        self._on_closed(reason, self._unread)

    def _check_alive(self) -> None:
        # Over TCP the first write to a dead peer succeeds; its end of stream is there before that.
        # Bytes that wait here were not asked for and must not become the answer to this request.
        if self._open:
            try:
                self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return
            except OSError:
                pass
        raise ShellUnreached("the shell had ended")

    def _write(self) -> None:
        if self._unsent is None:
            return
        try:
            sent = self._socket.send(self._unsent[:LARGE_BYTES])
        except BlockingIOError:
            return
        except OSError:
            self._unread = True
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            # The kernel says so, instead of a plain end, when the peer left something unread.
            self._unread = self._answer is not None
            data = b""
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._decoder.feed(data)
        if self._answer is None:
            # Nothing was asked: whatever this is, it must not become the next call's answer.
            self.close("the interpreter sent something nobody asked for")
            return
        self._take_frame()

    def _take_frame(self) -> None:
        try:
            frame = self._decoder.next_frame()
        except FrameError as error:
            self.close(str(error))
            return
        if frame is None or self._answer is None:
            return
        answer, self._answer = self._answer, None
        if not answer.done():
            answer.set_result(frame)
