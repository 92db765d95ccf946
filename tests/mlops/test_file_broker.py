"""The broker of one box: a directory of messages."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from mlops import celery  # noqa: F401 - registers the broker with kombu


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


def connect(folder: Path) -> Connection:
    messages = str(folder / "messages")
    return Connection(
        "files://localhost",
        transport_options={
            "data_folder_in": messages,
            "data_folder_out": messages,
            "control_folder": str(folder / "control"),
            "polling_interval": 0.01,
        },
    )


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex  # kombu remembers for the whole process which queues are declared


@pytest.fixture
def queue(folder: Path, name: str) -> Iterator[SimpleQueue]:
    with connect(folder) as connection, connection.SimpleQueue(name) as queue:
        yield queue


def test_messages_come_in_the_order_in_which_they_were_put(queue: SimpleQueue) -> None:
    for number in range(5):
        queue.put({"number": number})
    assert [queue.get(timeout=5).payload["number"] for _ in range(5)] == list(range(5))


def test_an_empty_queue_says_so(queue: SimpleQueue) -> None:
    with pytest.raises(Empty):
        queue.get(timeout=0.05)


def test_nothing_is_left_of_a_message_that_was_taken(queue: SimpleQueue, folder: Path) -> None:
    queue.put("message")
    queue.get(timeout=5).ack()
    assert list((folder / "messages").iterdir()) == []


def test_a_message_that_is_still_being_written_is_not_seen(
    queue: SimpleQueue, folder: Path
) -> None:
    queue.put("message")
    (message,) = (folder / "messages").iterdir()
    message.rename(message.with_suffix(".draft"))
    with pytest.raises(Empty):
        queue.get(timeout=0.05)


def test_each_message_reaches_one_of_several_consumers(folder: Path, name: str) -> None:
    got: list[int] = []

    def consume() -> None:
        with connect(folder) as connection, connection.SimpleQueue(name) as queue:
            while True:
                try:
                    message = queue.get(timeout=1)
                except Empty:
                    return
                got.append(message.payload)
                message.ack()

    with connect(folder) as connection, connection.SimpleQueue(name) as queue:
        consumers = [threading.Thread(target=consume) for _ in range(4)]
        for thread in consumers:
            thread.start()
        for number in range(100):
            queue.put(number)
        for thread in consumers:
            thread.join()
    assert sorted(got) == list(range(100))
