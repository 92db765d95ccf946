"""Which format the headers of a call mean."""

import pytest

from nodes.runtime.errors import NotAcceptable
from nodes.runtime.formats.media import ARROW, CSV, JSON, PLAIN, Formats, formats_of
from nodes.runtime.manifests import Manifest

FRAME = (("table", "data.frame"),)
OF_FRAMES = Manifest("Python", FRAME, None, 0, outputs=FRAME)
OF_NUMBERS = Manifest("Python", (("x", "numeric"),), None, 0, outputs=(("y", "numeric"),))
ARROW_TYPE = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html, application/xml;q=0.9, */*;q=0.8", JSON),
        ("image/png", JSON),  # JSON is the contract: who names nothing of ours gets it
        ("text/csv", CSV),
        ("text/csv, */*", CSV),
        ("*/*, text/csv", CSV),
        ("application/json, text/csv", JSON),
        ("application/json;q=0.5, Text/CSV;q=0.7", CSV),
        (f"text/csv;q=0.5, {ARROW_TYPE}", ARROW),
        ("text/csv;q=0", JSON),
    ],
)
def test_the_answer_is_what_the_caller_likes_best(accept: str, answer: str) -> None:
    assert formats_of("application/json; charset=utf-8", accept, OF_FRAMES) == Formats(JSON, answer)


def test_what_is_impossible_gives_way_to_json_where_that_is_taken() -> None:
    assert formats_of("", "text/csv, application/json;q=0.1", OF_NUMBERS) is PLAIN
    with pytest.raises(NotAcceptable, match=r"y \(numeric\)"):
        formats_of("", "text/csv, application/json;q=0", OF_NUMBERS)


def test_a_type_is_read_with_its_parameters() -> None:
    assert formats_of('Text/CSV; charset="UTF-8"; header=present', "", OF_FRAMES).request == CSV
