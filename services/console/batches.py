"""What lists and pages show of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from django.db.models import Q
from django.urls import reverse

from services.models import Batch, BatchState, Version

COLOURS: Mapping[str, str] = {
    BatchState.PENDING: "neutral",
    BatchState.READY: "neutral",
    BatchState.IN_PROGRESS: "info",
    BatchState.COMPLETE: "success",
    BatchState.FAILED: "danger",
}
LABELS: Mapping[str, str] = {
    BatchState.PENDING: "being stored",
    BatchState.READY: "waiting",
    BatchState.IN_PROGRESS: "running",
    BatchState.COMPLETE: "complete",
    BatchState.FAILED: "given up",
}
# What Batch.state follows from, for the database.
_UNFINISHED = Q(error="", finished_at=None)
CONDITIONS: Mapping[str, Q] = {
    BatchState.PENDING: _UNFINISHED & Q(started_at=None, ready_at=None),
    BatchState.READY: _UNFINISHED & Q(started_at=None, ready_at__isnull=False),
    BatchState.IN_PROGRESS: _UNFINISHED & Q(started_at__isnull=False),
    BatchState.COMPLETE: Q(error="", finished_at__isnull=False),
    BatchState.FAILED: ~Q(error=""),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is, how fast, and how long it will take; nothing is counted for it."""

    n_items: int
    n_done: int
    n_failed: int
    rate: float | None  # items in a second, since it began
    remaining: float | None  # seconds, if it goes on so
    took: float | None  # seconds since it began, up to its end

    @property
    def percent(self) -> int:
        """Of the items, rounded down: it is 100 only at the end."""
        return 100 * self.n_done // self.n_items if self.n_items else 100

    @property
    def n_succeeded(self) -> int:
        """Items that gave their outputs."""
        return self.n_done - self.n_failed


def progress_of(batch: Batch, *, now: datetime) -> Progress:
    """How far the batch is at `now`."""
    took = rate = remaining = None
    if batch.started_at is not None:
        took = max(0.001, ((batch.finished_at or now) - batch.started_at).total_seconds())
        rate = batch.n_completed / took if batch.n_completed else None
        if rate and batch.finished_at is None:
            remaining = (batch.n_items - batch.n_completed) / rate
    return Progress(batch.n_items, batch.n_completed, batch.n_failed, rate, remaining, took)


def label_of(batch: Batch) -> tuple[str, str, str]:
    """The state in a word, its colour, and why it is red."""
    state = batch.state
    if state == BatchState.COMPLETE and batch.n_failed:
        failed = f"{batch.n_failed:,} item{'' if batch.n_failed == 1 else 's'} failed"
        return LABELS[state], "danger" if batch.n_failed == batch.n_items else "warning", failed
    return LABELS[state], COLOURS[state], batch.error


def version_address(version: Version) -> str:
    """The page of the version."""
    name, number = quote(version.name, safe=""), quote(version.version, safe="")
    return f"{reverse('console:index')}service/{name}/{number}/"
