"""What an API key looks like: `mlops_`, its id, and after another `_` a secret with a check.

The id is no secret: lists and logs name a key by it. The secret has 256 random bits, so that its
plain SHA-256 is kept. Scanners for leaked secrets know the text by its prefix and its check.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

PREFIX = "mlops_"
_FORM = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_[0-9a-f]{{72}}")
_CHECK_LENGTH = 8


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that nobody has seen yet."""

    id: str
    text: str


def new_key() -> NewKey:
    """A new key."""
    key_id = secrets.token_hex(8)
    text = f"{PREFIX}{key_id}_{secrets.token_hex(32)}"
    return NewKey(key_id, text + _check(text))


def id_of(text: str) -> str | None:
    """The id in the text of a key; None for a text that can be no key."""
    found = _FORM.fullmatch(text)
    if found is None or _check(text[:-_CHECK_LENGTH]) != text[-_CHECK_LENGTH:]:
        return None
    return found[1]


def digest(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):0{_CHECK_LENGTH}x}"
