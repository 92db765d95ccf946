"""Telling programs that work from programs that only exist."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops.onebox import probes
from mlops.onebox.probes import Probe, answers, touches


def result(probe: Probe) -> bool:
    async def once() -> bool:
        return await probe()

    return asyncio.run(once())


@pytest.fixture
def server() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that gives one answer, whatever it is asked; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def start(answer: bytes) -> str:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/ping"

    with closing(listener):
        yield start


def test_an_answer_of_200_is_a_sign_of_life(server: Callable[[bytes], str]) -> None:
    assert result(answers(server(b"HTTP/1.1 200 OK\r\n\r\npong")))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 Oh\r\n\r\n", b"nonsense\r\n", b"\r\n", b""])
def test_anything_else_is_none(server: Callable[[bytes], str], answer: bytes) -> None:
    assert not result(answers(server(answer)))


def test_nobody_listening_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not result(answers(f"http://127.0.0.1:{port}/ping"))


def test_silence_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PROBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not result(answers(f"http://127.0.0.1:{listener.getsockname()[1]}/ping"))


def test_files_touched_lately_are_a_sign_of_life(tmp_path: Path) -> None:
    fresh, stale = tmp_path / "fresh", tmp_path / "stale"
    fresh.touch()
    assert result(touches([fresh], within_seconds=60))
    stale.touch()
    os.utime(stale, (time.time() - 61,) * 2)
    assert not result(touches([fresh, stale], within_seconds=60))


def test_a_file_that_is_absent_is_none(tmp_path: Path) -> None:
    assert not result(touches([tmp_path / "absent"], within_seconds=60))
