"""Declared compute nodes and what is seen of them, the sessions they hold, and saved snapshots."""

import uuid
from statistics import median

from django.conf import settings
from django.db import models
from django.utils import timezone

from mlops.blobs.models import Blob
from nodes.usage.models import NodeUsage as NodeUsage


class Runtime(models.TextChoices):
    """The languages a shell can speak."""

    R = "R"
    PYTHON = "Python"


class NodeEntry(models.Model):
    """One declared URI or range of compute nodes, as its administrator wrote it."""

    uri = models.CharField(max_length=255, unique=True)
    is_local = models.BooleanField(default=False)  # the node that `make run` starts beside us
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "declared entry"
        verbose_name_plural = "declared entries"

    def __str__(self) -> str:
        return self.uri


class NodeDrain(models.Model):
    """An address or a range of them that is to take no new work."""

    uri = models.CharField(max_length=255, unique=True)
    by = models.CharField(max_length=255, default="", blank=True)  # who asked for it
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "drain"

    def __str__(self) -> str:
        return self.uri


class NodeHealth(models.Model):
    """What the prober last saw of one address, and the state that follows (nodes/state.py).

    Kept for every declared single address, and for members of ranges that have lately answered.
    """

    address = models.CharField(max_length=255, unique=True)
    state = models.CharField(max_length=16, default="unknown")
    reason = models.TextField(default="", blank=True)
    since = models.DateTimeField(default=timezone.now)  # when it entered the state
    last_seen_at = models.DateTimeField(null=True)
    last_probe_at = models.DateTimeField()
    last_error = models.TextField(default="", blank=True)
    n_failures = models.PositiveIntegerField(default=0)  # looks in a row without an answer
    latencies = models.JSONField(default=list)  # ms, of the last looks that were answered
    report = models.JSONField(default=dict)  # of the last answer, see the compute node's /v1/health

    class Meta:
        verbose_name = "compute node"

    def __str__(self) -> str:
        return self.address

    @property
    def is_answering(self) -> bool:
        """Whether it answers, however long ago that was seen; an answer may get lost."""
        return self.last_seen_at is not None and self.state != "down"

    @property
    def version(self) -> str:
        """Of the software on the node."""
        return str(self.report.get("version", ""))

    @property
    def isolation(self) -> str:
        """How the node keeps shells apart: sandbox, user or process."""
        return str(self.report.get("isolation", {}).get("level", ""))

    @property
    def latency(self) -> float | None:
        """Milliseconds that the node takes to answer a look, typically; None if it never did."""
        return median(self.latencies) if self.latencies else None

    @property
    def capacity(self) -> float | None:
        """The node's processors; None if it has not said."""
        capacity = self.report.get("capacity")
        return capacity if isinstance(capacity, int | float) and capacity > 0 else None

    @property
    def n_calls(self) -> int:
        """Calls under way or in line when it answered last."""
        load = self.report.get("load", {})
        return int(load.get("running", 0)) + int(load.get("queued", 0))

    @property
    def loaded(self) -> list[str]:
        """The bundles that some of its shells had loaded when it answered last; bounded."""
        return list(self.report.get("loaded", ()))

    @property
    def n_loaded(self) -> int:
        """How many bundles these were, all of them counted."""
        return int(self.report.get("nLoaded", len(self.loaded)))

    @property
    def pool_bundles(self) -> list[str]:
        """The bundles that have a dedicated pool there; bounded."""
        return [str(pool.get("bundle", "")) for pool in self.report.get("pools", ())]

    @property
    def n_sessions(self) -> int:
        """Sessions that it held when it answered last."""
        return int(self.report.get("sessions", 0))


class Session(models.Model):
    """A shell of one compute node lent to one user (wire-api section 4)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions"
    )
    name = models.CharField(max_length=255, default="", blank=True)
    runtime = models.CharField(max_length=8, choices=Runtime.choices)
    node = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.runtime} session {self.id}"


class Snapshot(models.Model):
    """A saved session: a zip of its working directory and workspace (wire-api section 5)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="snapshots"
    )
    name = models.CharField(max_length=255, default="", blank=True)
    runtime = models.CharField(max_length=8, choices=Runtime.choices)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    is_empty = models.BooleanField(default=False)  # neither an object nor a file in it
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.runtime} snapshot {self.id}"
