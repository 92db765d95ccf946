"""The items of a batch as its page shows them: some at a time, each in a few words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import BinaryField
from django.db.models.functions import Substr

from services.batches.reading import files_of
from services.models import Batch, BatchChunk, BatchInput, BatchResult

PAGE = 25
_MOST_BYTES = 64 * 1024  # of a result that is read to show some of it
_SHOWN_LETTERS = 300

State = Literal["succeeded", "failed", "taken", "waiting", "not run"]


@dataclass(frozen=True, slots=True)
class ShownItem:
    """One item: what was sent, how far it is, and what came of it."""

    index: int
    state: State
    inputs: str
    outputs: str
    error: str  # the first line of what went wrong
    trace: str  # the others
    console: str
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class Items:
    """One page of items; `number` counts from 1."""

    items: Sequence[ShownItem]
    number: int
    n_pages: int
    only_failed: bool


def items_of(batch: Batch, *, page: int = 1, only_failed: bool = False) -> Items:
    """The page of all items, or of those that failed; a handful of statements."""
    n_items = batch.n_failed if only_failed else batch.n_items
    n_pages = max(1, -(-n_items // PAGE))
    number = min(max(1, page), n_pages)
    start = (number - 1) * PAGE
    if only_failed:
        failures = BatchResult.objects.filter(batch=batch, is_failure=True).order_by("index")
        indexes = list(failures.values_list("index", flat=True)[start : start + PAGE])
    else:
        indexes = list(range(start, min(start + PAGE, batch.n_items)))
    return Items(_shown(batch, indexes), number, n_pages, only_failed)


def _shown(batch: Batch, indexes: Sequence[int]) -> list[ShownItem]:
    if not indexes:
        return []
    inputs = _inputs(batch, indexes)
    found = BatchResult.objects.filter(batch=batch, index__in=indexes)
    failed = dict(found.values_list("index", "is_failure"))
    sizes = dict(found.values_list("index", "size"))
    small = found.filter(size__lte=_MOST_BYTES).values_list("index", "body")
    results = {index: json.loads(bytes(body)) for index, body in small}
    files = files_of(batch.pk, indexes[0], indexes[-1])
    taken = _taken(batch, indexes)
    items = []
    for index in indexes:
        result: dict[str, Any] = results.get(index, {})
        outputs = result.get("outputParameters")
        error, _, trace = str(result.get("errorMessage") or "").strip().partition("\n")
        state: State = "waiting"
        if index in failed:
            state = "failed" if failed[index] else "succeeded"
        elif batch.finished_at is not None:
            state = "not run"
        elif index in taken:
            state = "taken"
        items.append(
            ShownItem(
                index,
                state,
                inputs.get(index, ""),
                _cut(json.dumps(outputs, ensure_ascii=False))
                if outputs
                else f"{sizes[index]:,} bytes"
                if index in sizes and index not in results
                else "",
                error,
                _cut(trace),
                _cut(str(result.get("consoleOutput") or "")),
                files.get(index, ()),
            )
        )
    return items


def _inputs(batch: Batch, indexes: Sequence[int]) -> dict[int, str]:
    head = Substr("body", 1, _SHOWN_LETTERS + 1, output_field=BinaryField())
    rows = BatchInput.objects.filter(batch=batch, index__in=indexes).annotate(head=head)
    return {
        index: _cut(bytes(start).decode(errors="ignore"))
        for index, start in rows.values_list("index", "head")
    }


def _taken(batch: Batch, indexes: Sequence[int]) -> set[int]:
    """Those of the items that a worker has claimed: they run, or will next."""
    chunks = BatchChunk.objects.filter(
        batch=batch, lease__isnull=False, is_done=False, first__lte=indexes[-1]
    )
    claimed = [range(first, first + n) for first, n in chunks.values_list("first", "n_items")]
    return {index for index in indexes if any(index in each for each in claimed)}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…"
