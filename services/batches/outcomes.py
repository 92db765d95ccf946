"""What came of one item: its result object, and its files apart from it."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nodes.runtime import results

PIECE_BYTES = 1024 * 1024
_FILES = b',"outputFiles":'
_NO_FILES = b',"outputFiles":{}}'


@dataclass(frozen=True)
class Outcome:
    """One item's result object as JSON, with `outputFiles` empty, and the contents of its files."""

    index: int
    result: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether the result says that the item did not succeed, or nothing that can be read."""
        if results.is_of_success(self.result):
            return False
        try:
            return json.loads(self.result).get("success") is False
        except ValueError:
            return True

    def pieces(self) -> Iterator[tuple[str, int, bytes]]:
        """Name, number and bytes of each piece of the files; an empty file has one."""
        for name, content in self.files.items():
            for start in range(0, len(content) or 1, PIECE_BYTES):
                yield name, start // PIECE_BYTES, content[start : start + PIECE_BYTES]


def answered(index: int, answer: bytes) -> Outcome:
    """The outcome of an item for which a node answered with a result object.

    Apart from the files its bytes stay as they are.
    """
    if answer.endswith(_NO_FILES):
        return Outcome(index, answer)
    rest, files = _split(answer)
    return Outcome(index, rest, {name: _decoded(text) for name, text in files.items()})


def failed(index: int, message: str) -> Outcome:
    """The outcome of an item that never came to an answer."""
    return Outcome(index, results.failure(message, ""))


def _split(answer: bytes) -> tuple[bytes, dict[str, str]]:
    head, found, tail = answer.rpartition(_FILES)
    if found:
        try:
            files = json.loads(tail[:-1])  # without the brace that closes the result
        except ValueError:
            files = None
        if isinstance(files, dict) and all(isinstance(text, str) for text in files.values()):
            return head + _NO_FILES, files
    # Not as our nodes write it: the member stands elsewhere.
    result = json.loads(answer)
    files = result.get("outputFiles") or {}
    return json.dumps({**result, "outputFiles": {}}, separators=(",", ":")).encode(), files


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return text.encode()
