"""A batch as its owner sees it: the state, the results, the files of its items."""

import json
from collections.abc import Iterator
from itertools import chain
from uuid import UUID

from django.db.models import Max, Min, QuerySet, Sum
from django.db.models.functions import Length

from mlops.errors import MlopsError, NotFound
from services.models import Batch, BatchFile, BatchResult, BatchState

UNKNOWN = "You have no such batch of this version."

_ROWS_AT_ONCE = 1000
_PAGE_BYTES = 4 * 1024 * 1024


def status_json(batch_id: UUID, *, shows_partial: bool) -> Iterator[bytes]:
    """The batch result (wire-api section 3) as JSON, piece by piece.

    Each result stands at the index of its item, null where there is none yet. Results of an
    unfinished batch are left out altogether unless `shows_partial`.
    """
    # One statement, so that there are as many results up to the last one as the count says.
    batch = Batch.objects.live().annotate(last=Max("results__pk")).filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(UNKNOWN)
    head = {
        "state": batch.state.value,
        "completedItemCount": batch.n_completed,
        "totalItemCount": batch.n_items,
        "parallelCount": batch.parallel_count,
        "batchExecutionResults": [],
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    if not shows_partial and batch.state != BatchState.COMPLETE:
        return iter([text])
    last = vars(batch)["last"] or 0
    results = BatchResult.objects.filter(batch=batch, pk__lte=last).order_by("index")
    return chain([text.removesuffix(b"]}")], _entries(batch, results), [b"]}"])


def _entries(batch: Batch, results: QuerySet[BatchResult]) -> Iterator[bytes]:
    """The entries of the array with their commas."""
    n_written = 0
    for first, last in _pages(results):
        entries: list[bytes] = []
        page = results.filter(index__gte=first, index__lte=last)
        for index, body in page.values_list("index", "body"):
            entries.extend([b"null"] * (index - n_written - len(entries)))
            entries.append(bytes(body))  # PostgreSQL hands out a memoryview
        if entries:
            yield (b"," if n_written else b"") + b",".join(entries)
        n_written += len(entries)
    if not Batch.objects.live().filter(pk=batch.pk).exists():
        # What was sent so far may lack results: better no end than a wrong one.
        raise MlopsError(f"Batch {batch.pk} was deleted while it was read.")
    if missing := [b"null"] * (batch.n_items - n_written):
        yield (b"," if n_written else b"") + b",".join(missing)


def _pages(results: QuerySet[BatchResult]) -> Iterator[tuple[int, int]]:
    """First and last index of groups of results that fit into memory together."""
    last = -1
    while rows := list(results.filter(index__gt=last).values_list("index", "size")[:_ROWS_AT_ONCE]):
        first, size = rows[0][0], 0
        for index, n_bytes in rows:
            if size and size + n_bytes > _PAGE_BYTES:
                yield first, last
                first, size = index, 0
            size += n_bytes
            last = index
        yield first, last


def result_pages(batch: Batch) -> Iterator[list[tuple[int, bytes]]]:
    """Index and JSON of the results that there are now, in order, in lists that fit into memory."""
    results = BatchResult.objects.filter(batch=batch).order_by("index")
    for first, last in _pages(results):
        page = results.filter(index__gte=first, index__lte=last)
        yield [(index, bytes(body)) for index, body in page.values_list("index", "body")]


def files_of(batch_id: UUID, first: int, last: int) -> dict[int, list[str]]:
    """By item, from the first to the last, the names of its files in declared order."""
    files = BatchFile.objects.filter(batch=batch_id, index__gte=first, index__lte=last)
    named: dict[int, list[str]] = {}
    once = files.values("index", "name").annotate(at=Min("pk")).order_by("at")
    for index, name in once.values_list("index", "name"):
        named.setdefault(index, []).append(name)
    return named


def file_names(batch_id: UUID, index: int) -> list[str]:
    """The names of the files that the item returned, in the order in which they were declared."""
    files = BatchFile.objects.filter(batch=batch_id, index=index)
    first = files.values("name").annotate(at=Min("pk")).order_by("at")
    return list(first.values_list("name", flat=True))


def file_size(batch_id: UUID, index: int, name: str) -> int:
    """How many bytes the file has; raises NotFound."""
    if name not in file_names(batch_id, index):
        raise NotFound("This item of the batch has no such file.")
    pieces = BatchFile.objects.filter(batch=batch_id, index=index, name=name)
    size: int = pieces.aggregate(n=Sum(Length("data")))["n"]
    return size


def file_content(batch_id: UUID, index: int, name: str) -> Iterator[bytes]:
    """The file's bytes, piece by piece."""
    pieces = BatchFile.objects.filter(batch=batch_id, index=index, name=name).order_by("piece")
    for pk in list(pieces.values_list("pk", flat=True)):
        for data in BatchFile.objects.filter(pk=pk).values_list("data", flat=True):
            yield bytes(data)
