"""What an entry of the audit trail says of a change, as people read it: line by line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from typing import Any

from mlops.accounts.models import AuditEntry

SAME, REMOVED, ADDED = "same", "removed", "added"
_KINDS = {"  ": SAME, "- ": REMOVED, "+ ": ADDED}
_SIGNS = {SAME: " ", REMOVED: "-", ADDED: "+"}
# Above that many lines the two are shown one after the other: comparing takes too long.
_MOST_COMPARED = 400


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a member: in both, before the change only, or after it only."""

    kind: str
    text: str

    @property
    def sign(self) -> str:
        """What tells its kind without colours."""
        return _SIGNS[self.kind]


@dataclass(frozen=True, slots=True)
class Change:
    """One member of what was changed."""

    name: str
    lines: list[Line]


def changes_of(entry: AuditEntry) -> list[Change]:
    """Each member that the entry names, with its lines before and after."""
    before, after = entry.before or {}, entry.after or {}
    return [
        Change(name, list(_compared(_lines(before.get(name)), _lines(after.get(name)))))
        for name in {**before, **after}
    ]


def _compared(before: list[str], after: list[str]) -> Iterator[Line]:
    if len(before) + len(after) > _MOST_COMPARED:
        yield from (Line(REMOVED, text) for text in before)
        yield from (Line(ADDED, text) for text in after)
        return
    for line in ndiff(before, after):
        if kind := _KINDS.get(line[:2]):  # others are hints for the reader of a terminal
            yield Line(kind, line[2:])


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.split("\n")
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")
