"""Leases: which worker may run which items of a batch, and who may record a result.

Each function is one short transaction and locks the batch's row first, so that those of different
workers come one after the other. A lease is kept until somebody takes it away, which is allowed
when it has expired or its holder is known to be dead; it then counts no more, and neither does
what its holder still wants to record.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from services.batches.outcomes import Outcome
from services.models import Batch, BatchChunk, BatchFile, BatchInput, BatchLease, BatchResult

logger = logging.getLogger(__name__)

# A chunk that takes a worker down each time is the chunk's fault.
MOST_LOST = 5


class LeaseLost(Exception):  # noqa: N818 - nothing is wrong: somebody else goes on, or nobody shall
    """The lease was taken away, or its batch is cancelled or broken."""


@dataclass(frozen=True)
class Item:
    """One item to run."""

    index: int
    body: bytes


@dataclass
class Chunk:
    """A claimed chunk, with those of its items that have no result yet."""

    pk: int
    first: int
    n_items: int
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True)
class Grant:
    """What a lease entitles to: `n_slots` calls at a time, and the chunks just claimed."""

    lease_id: UUID
    n_slots: int
    chunks: Sequence[Chunk]
    is_more_left: bool  # chunks that nobody has claimed


def claim(
    batch_id: UUID, *, holder: str, n_slots: int, n_items: int, now: datetime
) -> Grant | None:
    """A new lease on about `n_items` items; None when nothing is left to claim.

    `n_slots` is how many calls the holder wants to make at a time; of the batch's parallel count
    it gets what others have left.
    """
    with transaction.atomic():
        try:
            batch = _locked(batch_id)
        except LeaseLost:
            return None
        granted = min(n_slots, _free_slots(batch))
        if granted < 1 or not _unclaimed(batch).exists():
            return None
        lease = BatchLease.objects.create(
            batch=batch, holder=holder, n_slots=granted, expires_at=_expiry(now)
        )
        chunks = _claim_chunks(batch, lease.pk, n_items)
        if batch.started_at is None:
            batch.started_at = now
            batch.save(update_fields=["started_at"])
        is_more_left = _unclaimed(batch).exists()
    _load_items(batch_id, chunks)
    return Grant(lease.pk, granted, chunks, is_more_left)


def exchange(
    batch_id: UUID,
    lease_id: UUID,
    *,
    outcomes: Collection[Outcome] = (),
    done: Collection[int] = (),
    n_slots: int,
    n_items: int,
    now: datetime,
) -> Grant:
    """Record the outcomes of items and the chunks that are done, renew, and claim further items.

    `n_slots` is how many calls the holder wants to make at a time, at least those it is making.
    Raises LeaseLost, and nothing is recorded then.
    """
    with transaction.atomic():
        batch = _locked(batch_id)
        granted = min(n_slots, _free_slots(batch, besides=lease_id))
        held = BatchLease.objects.filter(pk=lease_id)
        if not held.update(expires_at=_expiry(now), n_slots=granted):
            raise LeaseLost
        _record(batch, outcomes, now)
        if done:
            BatchChunk.objects.filter(pk__in=done, lease=lease_id).update(is_done=True, lease=None)
        chunks = _claim_chunks(batch, lease_id, n_items) if n_items > 0 else []
        is_more_left = _unclaimed(batch).exists()
    _load_items(batch_id, chunks)
    return Grant(lease_id, granted, chunks, is_more_left)


def release(lease_id: UUID) -> None:
    """Give a lease back; others may claim at once what was left undone."""
    with transaction.atomic():
        BatchChunk.objects.filter(lease=lease_id).update(lease=None)
        BatchLease.objects.filter(pk=lease_id).delete()


def take_away_lost(*, now: datetime, is_known_dead: Callable[[str], bool]) -> int:
    """End the leases whose holders are lost; how many they were.

    A batch is given up as Failed when the same chunk has lost its worker again and again.
    """
    n_ended = 0
    for lease in BatchLease.objects.all():
        if lease.expires_at <= now or is_known_dead(lease.holder):
            n_ended += _take_away(lease, now)
    return n_ended


def claimable(*, besides: Collection[UUID], limit: int) -> list[tuple[UUID, int]]:
    """Batches with something to claim and their parallel counts, the oldest first."""
    waiting = BatchChunk.objects.filter(batch=OuterRef("pk"), is_done=False, lease=None)
    batches = (
        Batch.objects.unfinished()
        .exclude(pk__in=list(besides))
        .annotate(n_held=Coalesce(Sum("leases__n_slots"), 0))
        .filter(Exists(waiting), n_held__lt=F("parallel_count"))
    )
    oldest_first = batches.order_by("created_at", "pk")
    return list(oldest_first.values_list("pk", "parallel_count")[:limit])


def _locked(batch_id: UUID) -> Batch:
    """The batch, which nobody else changes until the transaction ends; LeaseLost unless it runs."""
    batch = Batch.objects.unfinished().select_for_update(of=("self",)).filter(pk=batch_id).first()
    if batch is None:
        raise LeaseLost
    return batch


def _expiry(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.BATCH_LEASE_SECONDS)


def _unclaimed(batch: Batch) -> QuerySet[BatchChunk]:
    return BatchChunk.objects.filter(batch=batch, is_done=False, lease=None).order_by("first")


def _free_slots(batch: Batch, *, besides: UUID | None = None) -> int:
    """How many of the batch's parallel calls no lease but `besides` holds."""
    others = BatchLease.objects.filter(batch=batch)
    if besides is not None:
        others = others.exclude(pk=besides)
    n_held: int = others.aggregate(n=Coalesce(Sum("n_slots"), 0))["n"]
    return max(0, batch.parallel_count - n_held)


def _claim_chunks(batch: Batch, lease_id: UUID, n_items: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    for row in _unclaimed(batch).values("pk", "first", "n_items")[:n_items]:
        chunks.append(Chunk(**row))
        n_items -= row["n_items"]
        if n_items <= 0:
            break
    BatchChunk.objects.filter(pk__in=[chunk.pk for chunk in chunks]).update(lease=lease_id)
    return chunks


def _load_items(batch_id: UUID, chunks: Sequence[Chunk]) -> None:
    """Read what was sent for the items of the chunks that have no result."""
    have_result = BatchResult.objects.filter(batch=batch_id, index=OuterRef("index"))
    for chunk in chunks:
        indexes = Q(index__gte=chunk.first, index__lt=chunk.first + chunk.n_items)
        rows = BatchInput.objects.filter(indexes, ~Exists(have_result), batch=batch_id)
        chunk.items = [
            Item(index, bytes(body))  # PostgreSQL hands out a memoryview
            for index, body in rows.order_by("index").values_list("index", "body")
        ]


def _record(batch: Batch, outcomes: Iterable[Outcome], now: datetime) -> None:
    rows = [
        BatchResult(
            batch=batch,
            index=each.index,
            size=len(each.result),
            is_failure=each.is_failure,
            body=each.result,
        )
        for each in outcomes
    ]
    if not rows:
        return
    BatchResult.objects.bulk_create(rows)
    pieces = chain.from_iterable(
        ((each.index, *piece) for piece in each.pieces()) for each in outcomes
    )
    BatchFile.objects.bulk_create(
        BatchFile(batch=batch, index=index, name=name, piece=number, data=data)
        for index, name, number, data in pieces
    )
    batch.n_completed += len(rows)
    batch.n_failed += sum(row.is_failure for row in rows)
    if batch.n_completed == batch.n_items:
        batch.finished_at = now
    batch.save(update_fields=["n_completed", "n_failed", "finished_at"])


def _take_away(lease: BatchLease, now: datetime) -> int:
    """1 when the lease is ended, 0 when it was renewed or ended meanwhile."""
    with transaction.atomic():
        # As all do, the batch first: a running or finished one, whoever may see it.
        list(Batch.objects.select_for_update().filter(pk=lease.batch_id))
        same = BatchLease.objects.filter(pk=lease.pk, expires_at=lease.expires_at)
        chunks = BatchChunk.objects.filter(lease=lease.pk)
        if not same.exists():
            return 0
        chunks.update(n_lost=F("n_lost") + 1)
        if chunks.filter(n_lost__gte=MOST_LOST).exists():
            error = f"The same items have lost their worker {MOST_LOST} times."
            Batch.objects.filter(pk=lease.batch_id).update(error=error, finished_at=now)
            logger.error("Batch %s is given up: %s", lease.batch_id, error)
        chunks.update(lease=None)
        same.delete()
    logger.warning("The worker that ran a part of batch %s is lost.", lease.batch_id)
    return 1
