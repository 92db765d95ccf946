"""Calls to nodes from sync code."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async

from mlops.correlation import correlated, current_id
from mlops.errors import Stopping
from nodes import background, hop
from nodes.background import SyncStream, run_sync, run_sync_feeding
from nodes.connection import Response
from tests.nodes.loopback import Peer, serving_in_thread
from tests.nodes.runtime.running import wait_until

PIECE = b"x" * 65536


async def get(url: str, **options: Any) -> Response:
    return await hop.request("GET", url, deadline_seconds=30, **options)


def posting(url: str) -> Callable[[AsyncIterator[bytes]], Coroutine[Any, Any, Response]]:
    async def post(body: AsyncIterator[bytes]) -> Response:
        return await hop.request("POST", url, body=body, deadline_seconds=30)

    return post


async def echo(peer: Peer) -> None:
    while True:
        _, body = await peer.read_request()
        await peer.answer(body)


async def refuse_early(peer: Peer) -> None:
    await peer.read_head()
    await peer.answer(b"no", head=b"HTTP/1.1 400 Bad Request")
    await peer.until_closed()


async def endless(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        await peer.send(PIECE)


async def silence(peer: Peer) -> None:
    await peer.until_closed()


def test_any_thread_gets_the_result_of_a_coroutine() -> None:
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(run_sync(add(n, 1)))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 9))


def test_a_coroutine_may_need_the_threads_of_the_request_that_waits_for_it() -> None:
    """As when a call of a view finds that the list of nodes has to be read anew."""

    async def working() -> str:
        return await sync_to_async(current_id)()

    def view() -> str:
        return run_sync(asyncio.wait_for(working(), 20))

    async def request() -> str:
        async with ThreadSensitiveContext():
            with correlated("the-id"):
                return await sync_to_async(view)()

    assert asyncio.run(request()) == "the-id"
    assert async_to_sync(sync_to_async(view))() == ""


def test_an_error_comes_through() -> None:
    async def fail() -> None:
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        run_sync(fail())


def test_calls_share_kept_alive_connections() -> None:
    with serving_in_thread(echo) as server:
        for _ in range(10):
            assert run_sync(get(server.url)).status == 200
        assert server.n_connections == 1


def test_a_body_is_fed_from_the_callers_own_thread() -> None:
    threads = set()

    def chunks() -> Iterator[bytes]:
        for number in range(10):
            threads.add(threading.get_ident())
            yield b"%d" % number

    with serving_in_thread(echo) as server:
        assert run_sync_feeding(posting(server.url), chunks()).body == b"0123456789"
    assert threads == {threading.get_ident()}


def test_an_early_answer_ends_the_feeding() -> None:
    n_taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal n_taken
        while True:
            n_taken += 1
            yield PIECE

    with serving_in_thread(refuse_early) as server:
        assert run_sync_feeding(posting(server.url), chunks()).status == 400


def test_an_error_of_the_source_comes_through_and_ends_the_call() -> None:
    with serving_in_thread(silence) as server:

        def chunks() -> Iterator[bytes]:
            yield b"x"
            wait_until(lambda: server.n_connections == 1)
            raise LookupError("the database is gone")

        with pytest.raises(LookupError):
            run_sync_feeding(posting(server.url), chunks())
        wait_until(lambda: server.n_closed == 1)


def test_a_streamed_answer_is_iterated() -> None:
    async def handler(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(b"x" * 1_000_000)

    with serving_in_thread(handler) as server:
        stream = SyncStream(get(server.url, stream=True))
        assert stream.header("content-length") == "1000000"
        assert sum(map(len, stream)) == 1_000_000


def test_a_stream_closed_early_closes_its_connection() -> None:
    with serving_in_thread(endless) as server:
        stream = SyncStream(get(server.url, stream=True))
        assert next(stream)
        stream.close()
        wait_until(lambda: server.n_closed == 1)


def test_a_stream_dropped_unread_closes_its_connection() -> None:
    with serving_in_thread(endless) as server:
        SyncStream(get(server.url, stream=True))
        wait_until(lambda: server.n_closed == 1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    async def answer() -> int:
        return 42

    assert run_sync(answer()) == 42
    child = os.fork()
    if child == 0:
        os._exit(run_sync(answer()))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def test_stopping_frees_the_threads_that_wait_and_takes_no_more_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_background", background._Background())
    errors = []

    def wait_for(url: str) -> None:
        try:
            run_sync(get(url))
        except Stopping as error:
            errors.append(error.message)

    with serving_in_thread(silence) as server:
        thread = threading.Thread(target=wait_for, args=(server.url,))
        thread.start()
        wait_until(lambda: server.n_connections == 1)
        background.stop()
        thread.join()
        wait_for(server.url)
    assert len(errors) == 2
    assert all("stopping" in error for error in errors)
