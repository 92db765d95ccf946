"""Frames between a node and its shells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.runtime.frames import FrameDecoder, FrameError, encode_head

MAX_BYTES = 1000


def decoded(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    decoder = FrameDecoder(MAX_BYTES)
    decoder.feed(data)
    return decoder.next_frame()


@pytest.mark.parametrize(
    "message", ["plain", "ä €", "half \ud800 a pair", "\0 and \x1f", "line\nbreak", "\U0001f600"]
)
def test_whatever_text_a_header_holds_arrives(message: str) -> None:
    header = {"kind": "result", "errorMessage": message}
    assert decoded(encode_head(header, 0)) == (header, b"")


def test_a_header_may_hold_a_number_of_any_size() -> None:
    assert decoded(encode_head({"op": 2**70}, 0)) is not None


@pytest.mark.parametrize("text", [b"no JSON", b"[]", b'"text"', b"\xff"])
def test_a_header_that_is_no_json_object_is_refused(text: bytes) -> None:
    head = len(text).to_bytes(4) + (0).to_bytes(8)
    with pytest.raises(FrameError):
        decoded(head + text)


def test_a_body_beyond_the_bound_is_refused_before_it_has_come() -> None:
    with pytest.raises(FrameError, match="larger than 1000 bytes"):
        decoded(encode_head({}, MAX_BYTES + 1))


@given(st.lists(st.binary(max_size=100), max_size=4), st.integers(1, 50))
def test_frames_are_the_same_however_the_stream_is_cut(bodies: list[bytes], size: int) -> None:
    stream = b"".join(encode_head({"n": n}, len(body)) + body for n, body in enumerate(bodies))
    decoder = FrameDecoder(MAX_BYTES)
    found = []
    for start in range(0, len(stream), size):
        decoder.feed(stream[start : start + size])
        while frame := decoder.next_frame():
            found.append(frame)
    assert found == [({"n": n}, body) for n, body in enumerate(bodies)]
