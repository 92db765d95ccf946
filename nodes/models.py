"""Declared compute nodes, the sessions they hold, and saved snapshots."""

import uuid

from django.conf import settings
from django.db import models

from mlops.blobs.models import Blob


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


class NodeHealth(models.Model):
    """What the prober last saw of one address.

    Kept for every declared single address, and for members of ranges that have lately answered.
    """

    address = models.CharField(max_length=255, unique=True)
    last_seen_at = models.DateTimeField(null=True)
    last_probe_at = models.DateTimeField()
    last_error = models.TextField(default="", blank=True)
    report = models.JSONField(default=dict)  # of the last answer, see the compute node's /v1/health

    class Meta:
        verbose_name = "compute node"

    def __str__(self) -> str:
        return self.address

    @property
    def is_answering(self) -> bool:
        """Whether the last probe was answered, however long ago that was."""
        return self.last_seen_at is not None and not self.last_error


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
