"""One event loop in a thread of its own, on which sync code runs its calls to compute nodes.

Views, tasks and commands share it, and with it the kept-alive connections.
"""

import asyncio
import concurrent.futures
import contextvars
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import uvloop
from asgiref.sync import AsyncToSync, SyncToAsync

from mlops.database import release_connection
from mlops.errors import Stopping
from nodes.connection import Response

T = TypeVar("T")

_QUEUED_CHUNKS = 4


class _Background:
    """The loop and its thread, started at the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopped = False

    def submit(self, main: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Start `main` on the loop."""
        with self._lock:
            if self._is_stopped:
                main.close()
                raise Stopping("The call was not made because this web node is stopping.")
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="node-calls", daemon=True
                )
                thread.start()
            return _context().run(asyncio.run_coroutine_threadsafe, main, self._loop)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Have the loop call `callback`; takes no lock, so that the garbage collector may ask."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(callback)

    def stop(self) -> None:
        """Break off every call under way and take no more."""
        with self._lock:
            self._is_stopped = True
            if self._loop is not None:
                asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(5)


def _context() -> contextvars.Context:
    """The caller's context without its thread.

    In a request asgiref would do the database work of the coroutine in the very thread that waits
    for the coroutine, and neither would ever go on.
    """
    context = contextvars.copy_context()
    context.run(_leave_thread)
    return context


def _leave_thread() -> None:
    AsyncToSync.executors.current = None
    SyncToAsync.thread_sensitive_context.set(None)  # type: ignore[arg-type]
    SyncToAsync.deadlock_context.set(False)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=4)


_background = _Background()


def _forget_after_fork() -> None:
    """The thread did not come along into the child."""
    global _background
    _background = _Background()


os.register_at_fork(after_in_child=_forget_after_fork)


class HangUp:
    """A client's going away before it was answered: the calls made for it are then broken off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self.has_happened = False

    def happen(self) -> None:
        """The client has gone; further calls will not be made either."""
        with self._lock:
            self.has_happened = True
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def watch(self, call: "concurrent.futures.Future[Any]") -> None:
        """Break off `call`, too, when it happens."""
        with self._lock:
            self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        if self.has_happened:
            call.cancel()


def spawn(main: Coroutine[Any, Any, object]) -> None:
    """Begin a coroutine that nobody waits for; raises Stopping when the process is to end."""
    _background.submit(main)


def start(
    main: Coroutine[Any, Any, T], *, hang_up: HangUp | None = None
) -> "concurrent.futures.Future[T]":
    """A coroutine begun; see `result`.

    Outside of a transaction the caller's connection to PostgreSQL is given back first.
    """
    release_connection()
    call = _background.submit(main)
    if hang_up is not None:
        hang_up.watch(call)
    return call


def run_sync(main: Coroutine[Any, Any, T], *, hang_up: HangUp | None = None) -> T:
    """The result of a coroutine, from sync code in any thread; an interrupted caller cancels it."""
    return result(start(main, hang_up=hang_up))


def run_sync_feeding(
    call: Callable[[AsyncIterator[bytes]], Coroutine[Any, Any, T]], chunks: Iterable[bytes]
) -> T:
    """The result of `call(body)`; the body is taken from `chunks` in the caller's own thread.

    At most a few chunks are held at once; an error of `chunks` cancels the call and comes through.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED_CHUNKS)

    async def body() -> AsyncIterator[bytes]:
        while (chunk := await queue.get()) is not None:
            yield chunk

    release_connection()
    future = _background.submit(call(body()))
    try:
        for chunk in itertools.chain(chunks, (None,)):
            put = _background.submit(queue.put(chunk))
            pending: list[concurrent.futures.Future[Any]] = [put, future]
            concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            if future.done():  # the node answered early, or the call broke
                put.cancel()
                break
    except BaseException:
        future.cancel()
        raise
    return result(future)


class SyncStream:
    """A streamed answer read from sync code: iterate it for its bytes, `close` it to give up early.

    One that is dropped unread is closed as well, or the node would wait for its reader.
    """

    def __init__(
        self, call: Coroutine[Any, Any, Response], *, hang_up: HangUp | None = None
    ) -> None:
        self._hang_up = hang_up
        self._response = run_sync(call, hang_up=hang_up)

    def header(self, name: str) -> str:
        """The value of a header, "" when the node sent none."""
        return self._response.header(name)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = run_sync(_next_chunk(self._response), hang_up=self._hang_up)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the connection unless the answer was complete."""
        _background.call_soon(self._response.close)

    def __del__(self) -> None:
        if hasattr(self, "_response"):
            self.close()


async def _next_chunk(response: Response) -> bytes | None:
    return await anext(response, None)


def stop() -> None:
    """Break off all calls, so that the threads waiting for them come free; for a process's end."""
    _background.stop()


def result(call: "concurrent.futures.Future[T]") -> T:
    """The result of a call that was started; an interrupted caller cancels it.

    Raises Stopping when it was broken off, be it because the client has gone.
    """
    try:
        return call.result()
    except concurrent.futures.CancelledError:
        raise Stopping from None
    except BaseException:
        call.cancel()
        raise
