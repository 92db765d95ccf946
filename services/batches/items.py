"""The body that starts a batch, taken apart: each item's text stays as the caller wrote it."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.errors import InvalidRequest
from nodes.runtime.inputs import InputError, read_inputs

CHUNK_BYTES = 1024 * 1024  # a chunk ends with the item that makes it larger
_MOST_ITEMS_PER_CHUNK = 50
_CHUNKS_PER_SLOT = 4  # at least, so that at the end no slot has much more to do than the others

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


@dataclass(frozen=True)
class Items:
    """The items of one body: where in `text` each begins and ends."""

    text: str
    spans: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.spans)

    def chunks(self, *, n_slots: int) -> Iterator[tuple[int, list[bytes]]]:
        """The index of each chunk's first item, and the JSON of its items."""
        most = max(1, min(_MOST_ITEMS_PER_CHUNK, len(self) // (n_slots * _CHUNKS_PER_SLOT)))
        first, bodies, size = 0, list[bytes](), 0
        for index, (start, end) in enumerate(self.spans):
            bodies.append(self.text[start:end].encode())
            size += len(bodies[-1])
            if len(bodies) == most or size > CHUNK_BYTES:
                yield first, bodies
                first, bodies, size = index + 1, [], 0
        if bodies:
            yield first, bodies


def read_items(body: bytes, declared: Sequence[tuple[str, str]], *, max_items: int) -> Items:
    """The items of a JSON array of input objects, each checked against the declared inputs.

    Raises InvalidRequest that names the item, counting from 0. What the array holds beside the
    declared inputs is ignored, as in a single call.
    """
    text = _decoded(body)
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        raise InvalidRequest("The body must be a JSON array with one object of inputs per item.")
    spans: list[tuple[int, int]] = []
    position = _skip(text, position + 1)
    while text[position : position + 1] != "]":
        if len(spans) == max_items:
            raise InvalidRequest(f"A batch must not have more than {max_items} items.")
        end = _read_item(text, position, len(spans), declared)
        spans.append((position, end))
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
            if text[position : position + 1] != "]":
                continue
        elif text[position : position + 1] == "]":
            break
        raise InvalidRequest(f"The body is not valid JSON after item {len(spans) - 1}.")
    if _skip(text, position + 1) != len(text):
        raise InvalidRequest("The body is not valid JSON: something follows the array.")
    if not spans:
        raise InvalidRequest("The array has no items: send one object of inputs per item.")
    return Items(text, spans)


def _read_item(text: str, start: int, index: int, declared: Sequence[tuple[str, str]]) -> int:
    """Where the item ends."""
    try:
        value, end = _decoder.raw_decode(text, start)
        if not isinstance(value, dict):
            raise InputError("it must be a JSON object with the inputs")
        read_inputs(text[start:end].encode(), declared)
    except InputError as error:
        fields = ",".join(f"{index}.{name.strip()}" for name in error.fields.split(",") if name)
        raise InvalidRequest(
            f"Item {index}: {error.message}", fields=fields or f"{index}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON in item {index}: {error}") from None
    return end


def _decoded(body: bytes) -> str:
    try:
        return body.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None


def _skip(text: str, position: int) -> int:
    """The position of the next character that is not white space."""
    found = _WHITESPACE.match(text, position)
    return found.end() if found else position
