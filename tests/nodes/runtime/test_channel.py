"""The socket between a node and one shell."""

import asyncio
import socket

import pytest

from nodes.runtime.channel import Channel
from nodes.runtime.frames import encode_head

pytestmark = pytest.mark.any_database

READY = encode_head({"ready": True}, 4) + b"body"


def frame_of(*, received: bytes = b"", sent: bytes = b"") -> tuple[dict[str, object], bytes]:
    """What the first `expect` gives of a channel that begins with `received`."""

    async def first() -> tuple[dict[str, object], bytes]:
        ours, theirs = socket.socketpair()
        channel = Channel(
            asyncio.get_running_loop(),
            ours,
            body_max_bytes=100,
            on_closed=lambda reason, unread: None,
            received=received,
        )
        theirs.sendall(sent)
        frame = await channel.expect()
        channel.close()
        theirs.close()
        return frame

    return asyncio.run(first())


def test_a_frame_is_awaited() -> None:
    assert frame_of(sent=READY) == ({"ready": True}, b"body")


def test_a_frame_may_have_come_with_what_was_read_before() -> None:
    assert frame_of(received=READY) == ({"ready": True}, b"body")


def test_the_rest_of_a_frame_may_come_later() -> None:
    assert frame_of(received=READY[:7], sent=READY[7:]) == ({"ready": True}, b"body")
