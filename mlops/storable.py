"""JSON that every database takes."""

import math
from typing import Any

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(value: Any) -> Any:
    """The value with what PostgreSQL refuses replaced: characters without a text, and non-numbers.

    What people's code prints and returns may hold NUL, halves of surrogate pairs, NaN and infinity.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value


def storable_text(text: str) -> str:
    """The text, NUL and halves of surrogate pairs replaced."""
    if not text.isascii():
        text = "".join(_REPLACEMENT if "\ud800" <= each <= "\udfff" else each for each in text)
    return text.replace("\0", _REPLACEMENT)
