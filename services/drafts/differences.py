"""What is different between two contents of drafts, for people to read."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlops.errors import Conflict
from services.models import Version

_LABELS = {
    "code": "Code",
    "init_code": "Init code",
    "inputs": "Inputs",
    "outputs": "Outputs",
    "output_files": "Output files",
    "description": "Description",
    "operation_id": "Alias",
    "row_independent": "Row independence",
    "payload": "Files",
    "pool": "Dedicated pool",
}
_CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: its name and the lines of a unified diff."""

    label: str
    lines: list[str]

    def as_json(self) -> dict[str, Any]:
        """In plain JSON."""
        return asdict(self)


class ChangedMeanwhile(Conflict):
    """Somebody else changed the version since the draft was begun.

    `changes` is what they changed; who wants it gone says `current`, which names it.
    """

    def __init__(self, version: Version, changes: list[Difference], current: str) -> None:
        self.changes, self.current = changes, current
        super().__init__(f"{version} was changed by somebody else since you began.")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What differs between the contents of two drafts, in the order of the page."""
    return [
        Difference(label, _lines(before.get(name), after.get(name)))
        for name, label in _LABELS.items()
        if before.get(name) != after.get(name)
    ]


def fingerprint(content: Mapping[str, Any]) -> str:
    """A text that is another one for every content that differs."""
    said = {name: content.get(name) for name in _LABELS}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _lines(before: Any, after: Any) -> list[str]:
    compared = difflib.unified_diff(_text(before), _text(after), lineterm="", n=_CONTEXT_LINES)
    return [line for line in compared if not line.startswith(("---", "+++"))]


def _text(value: Any) -> list[str]:
    if isinstance(value, list):
        return [
            f"{each['name']}: {each['type']}" if isinstance(each, dict) else str(each)
            for each in value
        ]
    if isinstance(value, dict):
        return [f"{name}: {each}" for name, each in value.items()]
    return [] if value in (None, "") else str(value).splitlines()
