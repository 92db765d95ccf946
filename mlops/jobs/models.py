"""Jobs in the database, which alone knows how far each of them is."""

import uuid
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

LOST_AFTER = timedelta(seconds=30)  # without a sign of life of its worker
LOST = "The worker that ran it was stopped or lost: start it again."


class JobState(models.TextChoices):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class JobQuerySet(models.QuerySet["Job"]):
    """Ways to pick jobs."""

    def unfinished(self) -> Self:
        """Those that wait or run."""
        return self.exclude(state__in=_ENDED)

    def lost(self) -> Self:
        """Those whose worker has given no sign of life for too long."""
        return self.filter(state=JobState.RUNNING, seen_at__lt=timezone.now() - LOST_AFTER)


class Job(models.Model):
    """One run of a kind of job for its owner; see `mlops.jobs.kinds`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs"
    )
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.WAITING)
    is_cancel_requested = models.BooleanField(default=False)
    progress = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    error = models.TextField(default="", blank=True)  # a sentence for its owner
    # Of the request that started it, for the audit trail and the logs.
    address = models.CharField(max_length=255, default="", blank=True)
    login_session_id = models.CharField(max_length=128, default="", blank=True)
    correlation_id = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # the last sign of life of its worker
    finished_at = models.DateTimeField(null=True, db_index=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["kind", "-created_at"], name="job_kind_newest"),
            models.Index(fields=["owner", "kind", "-created_at"], name="job_owner_newest"),
            models.Index(
                fields=["created_at"],
                condition=~models.Q(state__in=["done", "failed", "cancelled"]),
                name="job_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in _ENDED
