"""Comparing two versions of a service line by line.

A line carries a sign beside its colour: `-` is only in the first text, `+` only in the second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from services.models import Version

CONTEXT_LINES = 3
# Above that many lines that are not alike at both ends, a block is shown as replaced: to find the
# best match of large texts takes seconds.
MOST_MATCHED = 3000

SAME, REMOVED, ADDED, CHANGED, SKIPPED = "same", "removed", "added", "changed", "skipped"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison, the first text on the left and the second on the right."""

    kind: str
    left_number: int | None = None
    left: str = ""
    right_number: int | None = None
    right: str = ""
    n_skipped: int = 0

    @property
    def left_sign(self) -> str:
        """`-` when the line on the left is not on the right."""
        return "-" if self.kind in (REMOVED, CHANGED) else ""

    @property
    def right_sign(self) -> str:
        """`+` when the line on the right is not on the left."""
        return "+" if self.kind in (ADDED, CHANGED) else ""


@dataclass(frozen=True, slots=True)
class Part:
    """What two versions say about one thing."""

    title: str
    rows: Sequence[Row]
    is_same: bool
    n_removed: int
    n_added: int

    @property
    def unified(self) -> list[Row]:
        """The rows one beneath the other: what was removed before what was added."""
        rows: list[Row] = []
        pending: list[Row] = []
        for row in (*self.rows, Row(SAME)):
            if row.kind == CHANGED:
                rows.append(Row(REMOVED, row.left_number, row.left))
                pending.append(Row(ADDED, None, "", row.right_number, row.right))
                continue
            if row.kind != REMOVED:
                rows += pending
                pending = []
            rows.append(row)
        return rows[:-1]


def compare(left: Version, right: Version, *, with_code: bool) -> list[Part]:
    """All that tells the two versions apart or not, part by part; code only if asked for."""
    parts = [
        ("Description", _lines(left.description), _lines(right.description)),
        ("Inputs", _parameters(left.input_parameters), _parameters(right.input_parameters)),
        ("Outputs", _parameters(left.output_parameters), _parameters(right.output_parameters)),
        ("Output files", left.output_files, right.output_files),
        ("Options", _options(left), _options(right)),
    ]
    if with_code:
        parts += [
            ("Code before the first run", _lines(left.init_code), _lines(right.init_code)),
            ("Code of each run", _lines(left.code), _lines(right.code)),
        ]
    return [part_of(title, before, after) for title, before, after in parts]


def part_of(title: str, left: Sequence[str], right: Sequence[str]) -> Part:
    """The comparison of two lists of lines; long stretches alike are left out."""
    rows = list(_rows(left, right))
    return Part(
        title,
        list(_folded(rows)),
        list(left) == list(right),
        sum(bool(row.left_sign) for row in rows),
        sum(bool(row.right_sign) for row in rows),
    )


def _rows(left: Sequence[str], right: Sequence[str]) -> Iterable[Row]:
    for kind, first, first_end, second, second_end in _blocks(left, right):
        lines = zip_longest(range(first, first_end), range(second, second_end))
        for one, other in lines:
            if kind == "equal":
                yield Row(SAME, one + 1, left[one], other + 1, right[other])
            elif one is None:
                yield Row(ADDED, None, "", other + 1, right[other])
            elif other is None:
                yield Row(REMOVED, one + 1, left[one])
            else:
                yield Row(CHANGED, one + 1, left[one], other + 1, right[other])


def _blocks(left: Sequence[str], right: Sequence[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """What to do to the first lines to get the second, as difflib says it."""
    shorter = min(len(left), len(right))
    head = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    most = shorter - head
    tail = next((i for i in range(most) if left[-1 - i] != right[-1 - i]), most)
    if head:
        yield "equal", 0, head, 0, head
    first, second = left[head : len(left) - tail], right[head : len(right) - tail]
    if max(len(first), len(second)) > MOST_MATCHED:
        yield "replace", head, len(left) - tail, head, len(right) - tail
    else:
        matcher = SequenceMatcher(None, first, second)
        for kind, a, a_end, b, b_end in matcher.get_opcodes():
            yield kind, a + head, a_end + head, b + head, b_end + head
    if tail:
        yield "equal", len(left) - tail, len(left), len(right) - tail, len(right)


def _folded(rows: Sequence[Row]) -> Iterable[Row]:
    """The rows that differ with a few around them, and how many are left out between."""
    near: set[int] = set()
    for index, row in enumerate(rows):
        if row.kind != SAME:
            near.update(range(index - CONTEXT_LINES, index + CONTEXT_LINES + 1))
    n_skipped = 0
    for index, row in enumerate(rows):
        if index not in near:
            n_skipped += 1
            continue
        if n_skipped:
            yield Row(SKIPPED, n_skipped=n_skipped)
            n_skipped = 0
        yield row
    if n_skipped:
        yield Row(SKIPPED, n_skipped=n_skipped)


def _lines(text: str | None) -> list[str]:
    return (text or "").splitlines()


def _parameters(definitions: Iterable[dict[str, str]]) -> list[str]:
    return [f"{one['name']}: {one['type']}" for one in definitions]


def _options(version: Version) -> list[str]:
    payload = version.payload
    said = f"{payload.size} bytes, SHA-256 {payload.digest}" if payload else "none"
    return [
        f"type: {version.runtime_type}",
        f"alias: {version.operation_id or 'none'}",
        f"rows are independent: {'yes' if version.row_independent else 'no'}",
        f"model or snapshot: {said}",
        f"published by: {version.published_by}",
    ]
