"""Large bodies go through a process without keeping its event loop from anybody else."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nodes.runtime import results
from nodes.runtime.frames import FrameDecoder, encode_head
from nodes.runtime.pieces import LARGE_BYTES, Pieces, sliced
from nodes.runtime.sending import send_body

N_PIECES = 8
LARGE = bytes(range(256)) * (N_PIECES * LARGE_BYTES // 256)


def turns_of_others(work: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """What the work comes to, and how often the event loop had a turn for somebody else."""

    async def main() -> tuple[Any, int]:
        n_turns = 0

        async def somebody_else() -> None:
            nonlocal n_turns
            while True:
                await asyncio.sleep(0)
                n_turns += 1

        other = asyncio.create_task(somebody_else())
        try:
            return await work(), n_turns
        finally:
            other.cancel()

    return asyncio.run(main())


@pytest.mark.parametrize("pieces", [[], [b""], [b"one"], [b"", b"a"], [b"a", memoryview(b"bc")]])
def test_pieces_are_put_together(pieces: list[bytes]) -> None:
    whole = Pieces()
    for piece in pieces:
        whole.add(piece)
    assert (whole.whole(), whole.size) == (b"".join(pieces), len(b"".join(pieces)))


def test_slices_are_all_of_the_body() -> None:
    assert b"".join(sliced(LARGE, 1)) == LARGE[1:]
    assert max(map(len, sliced(LARGE))) == LARGE_BYTES


def test_others_have_their_turns_while_a_large_result_is_put_together() -> None:
    body = json.dumps({"changedFiles": "x" * len(LARGE)}).encode()
    result, n_turns = turns_of_others(
        lambda: results.result(success=True, error_message="", console="", body=body)
    )
    assert json.loads(result)["changedFiles"] == "x" * len(LARGE)
    assert n_turns >= N_PIECES


def test_others_have_their_turns_while_a_large_answer_goes_out() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    _, n_turns = turns_of_others(lambda: send_body(send, LARGE))
    assert b"".join(message["body"] for message in sent) == LARGE
    assert [message.get("more_body", False) for message in sent] == [True] * N_PIECES + [False]
    assert n_turns >= N_PIECES - 1


def test_frames_are_cut_wherever_their_bytes_are_parted() -> None:
    stream = b"".join(
        encode_head({"n": n}, len(body)) + body for n, body in enumerate((b"", b"ab", LARGE, b"c"))
    )
    decoder = FrameDecoder(body_max_bytes=len(LARGE))
    found = []
    for start in range(0, len(stream), 250_001):
        decoder.feed(stream[start : start + 250_001])
        while frame := decoder.next_frame():
            found.append(frame)
    assert found == [({"n": 0}, b""), ({"n": 1}, b"ab"), ({"n": 2}, LARGE), ({"n": 3}, b"c")]
