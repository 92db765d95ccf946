"""The state of parts of the product, as `GET /status` tells it (wire-api section 6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

StatusCode = Literal["pass", "warn", "fail"]

_SEVERITY: Sequence[StatusCode] = ["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one part, and of the parts that it has, if it can have any."""

    code: StatusCode
    details: Mapping[str, Any] = field(default_factory=dict)
    components: "Mapping[str, Status] | None" = None


def worst(codes: Iterable[StatusCode]) -> StatusCode:
    """The state of a whole, which is as bad as its worst part."""
    return max(codes, key=_SEVERITY.index)
