"""Removing what nobody wants any more, in short transactions."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from services.models import (
    Batch,
    BatchChunk,
    BatchFile,
    BatchInput,
    BatchLease,
    BatchResult,
)

_ROWS_AT_ONCE = 500
# One that was never stored whole: its web node died meanwhile.
_STORING_AT_MOST = timedelta(hours=1)


def remove(batch: Batch) -> None:
    """Delete a batch that is gone with all that belongs to it."""
    # What is run comes before what came of it: an item without a result would seem to be due.
    kinds: list[type[models.Model]] = [BatchLease, BatchChunk, BatchInput, BatchResult, BatchFile]
    for kind in kinds:
        rows = kind._default_manager.filter(batch=batch)
        while some := list(rows.values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
            kind._default_manager.filter(pk__in=some).delete()
    batch.delete()


def sweep(*, now: datetime) -> int:
    """Delete the batches that are gone, have been finished for long, or were never stored whole.

    How many they were.
    """
    long_finished = now - timedelta(seconds=settings.BATCH_RETENTION_SECONDS)
    live = Batch.objects.live()
    live.filter(finished_at__lt=long_finished).update(version=None)
    live.filter(ready_at=None, created_at__lt=now - _STORING_AT_MOST).update(version=None)
    gone = list(Batch.objects.gone())
    for batch in gone:
        remove(batch)
    return len(gone)
