"""Published services, their versions, and batches of calls."""

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models

from mlops.accounts.roles import Role, role_of
from mlops.blobs.models import Blob
from services.grants import Access
from services.schema import is_name
from services.usage.models import Usage as Usage

if TYPE_CHECKING:
    from mlops.accounts.models import User


class RuntimeType(models.TextChoices):
    """How a version runs (wire-api section 11)."""

    R = "R"
    PYTHON = "Python"
    REALTIME = "Realtime"


class Service(models.Model):
    """A name under which versions are published; it exists while it has one, or grants."""

    name = models.CharField(max_length=128, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    grants = models.JSONField(default=list, blank=True)  # see services.grants

    def __str__(self) -> str:
        return self.name

    @property
    def access(self) -> Access | None:
        """Whom its grants name; None when it has none."""
        return Access.of(self.grants)


class VersionQuerySet(models.QuerySet["Version"]):
    """Ways to pick versions."""

    def named(self, name: str, version: str | None = None) -> Self:
        """The versions of service `name`, or the one called `version`.

        What cannot be a name matches nothing, and is kept from databases that refuse such text.
        """
        if not is_name(name) or (version is not None and not is_name(version)):
            return self.none()
        found = self.filter(service__name=name)
        return found if version is None else found.filter(version=version)


class Version(models.Model):
    """One published version: what to run, with which parameters (wire-api section 2)."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=128)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    published_by = models.CharField(max_length=150)
    runtime_type = models.CharField(max_length=8, choices=RuntimeType.choices)
    code = models.TextField(null=True)  # noqa: DJ001 - null: a realtime version has none
    init_code = models.TextField(null=True)  # noqa: DJ001
    description = models.TextField(null=True)  # noqa: DJ001 - null and "" differ on the wire
    operation_id = models.CharField(max_length=255, null=True)  # noqa: DJ001
    input_parameters = models.JSONField(default=list)
    output_parameters = models.JSONField(default=list)
    output_files = models.JSONField(default=list)
    example = models.JSONField(null=True)  # inputs by name that the publisher gave as an example
    row_independent = models.BooleanField(default=False)
    snapshot_id = models.UUIDField(null=True)  # as named at publish; the snapshot may be gone
    payload = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+")
    bundle_id = models.CharField(max_length=64)

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["service", "version"], name="unique_service_version"),
            models.CheckConstraint(
                condition=models.Q(runtime_type="Realtime") | models.Q(code__isnull=False),
                name="standard_version_has_code",
            ),
        ]
        indexes = [
            models.Index(fields=["service", "-created_at", "-id"], name="version_newest"),
            models.Index(fields=["service", "-updated_at"], name="version_last_changed"),
            models.Index(fields=["created_at"], name="version_by_creation"),
            models.Index(fields=["updated_at"], name="version_by_change"),
            models.Index(fields=["runtime_type"], name="version_by_runtime"),
        ]
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.service.name}/{self.version}"

    @property
    def name(self) -> str:
        """The name of its service."""
        return self.service.name

    @property
    def access(self) -> Access | None:
        """Whom the grants of its service name; None when it has none."""
        return self.service.access

    @property
    def has_pool(self) -> bool:
        """Whether it runs in a dedicated pool of its own, and nowhere else."""
        return hasattr(self, "pool")


class DedicatedPool(models.Model):
    """The shells that every compute node keeps for one version alone (wire-api section 16).

    That it exists is part of the version's bundle, see `services.bundles.manifest`.
    """

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="pool")
    initial_size = models.PositiveIntegerField()
    max_size = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(max_size__gte=1)
                & models.Q(initial_size__lte=models.F("max_size")),
                name="pool_starts_no_larger_than_it_may_grow",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.initial_size} to {self.max_size} shells"


class CatalogueStamp(models.Model):
    """One row whose `value` is new after every change to what is published.

    Random instead of counted, so that web nodes notice a restored database as well; see
    `services.catalogue.begin_change`.
    """

    value = models.UUIDField(default=uuid.uuid4)

    def __str__(self) -> str:
        return str(self.value)


class BatchState(models.TextChoices):
    """How far a batch is, as the wire spells it (wire-api section 3)."""

    PENDING = "Pending"
    READY = "Ready"
    IN_PROGRESS = "InProgress"
    COMPLETE = "Complete"
    FAILED = "Failed"


class BatchQuerySet(models.QuerySet["Batch"]):
    """Ways to pick batches."""

    def live(self) -> Self:
        """Those that were not cancelled, and whose version and owner still exist."""
        return self.filter(version__isnull=False, owner__isnull=False)

    def gone(self) -> Self:
        """The others: nobody sees them, and the sweep removes what is left of them."""
        return self.filter(models.Q(version=None) | models.Q(owner=None))

    def unfinished(self) -> Self:
        """Those whose items can be run, some of which may be running."""
        return self.live().filter(ready_at__isnull=False, finished_at=None)

    def visible_to(self, user: "User") -> Self:
        """The user's own; an Owner sees everybody's."""
        return self.live() if role_of(user) == Role.OWNER else self.live().filter(owner=user)


class Batch(models.Model):
    """Many calls of one version, started together; cancelled, it loses its `version`.

    Its items are rows of their own, in several tables, so that each transaction is short: what was
    sent, in chunks that workers lease, and what came of it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(
        Version, on_delete=models.SET_NULL, null=True, related_name="batches"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    parallel_count = models.PositiveIntegerField()
    n_items = models.PositiveIntegerField()
    n_completed = models.PositiveIntegerField(default=0)
    n_failed = models.PositiveIntegerField(default=0)  # of the completed ones
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True)  # when the last item was stored
    started_at = models.DateTimeField(null=True)  # when a worker first took some
    finished_at = models.DateTimeField(null=True, db_index=True)
    error = models.TextField(default="", blank=True)  # why the batch as such broke

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(n_completed__lte=models.F("n_items")),
                name="batch_completes_each_item_once",
            ),
        ]
        indexes = [
            models.Index(fields=["created_at", "id"], name="batch_by_age"),
            models.Index(fields=["owner", "created_at", "id"], name="batch_of_owner_by_age"),
        ]
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def state(self) -> BatchState:
        """How far it is."""
        if self.error:
            return BatchState.FAILED
        if self.finished_at is not None:
            return BatchState.COMPLETE
        if self.started_at is not None:
            return BatchState.IN_PROGRESS
        return BatchState.PENDING if self.ready_at is None else BatchState.READY


class BatchLease(models.Model):
    """A worker's hold on some chunks of a batch, and on as many of its parallel calls as `n_slots`.

    Who finds its row gone has lost all of it. `holder` tells which process it is.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="leases")
    holder = models.CharField(max_length=255)
    n_slots = models.PositiveIntegerField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.batch_id} to {self.holder}"


class BatchChunk(models.Model):
    """Items of a batch that follow each other, claimed together."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="chunks")
    first = models.PositiveIntegerField()
    n_items = models.PositiveIntegerField()
    lease = models.ForeignKey(
        BatchLease, on_delete=models.SET_NULL, null=True, related_name="chunks"
    )
    is_done = models.BooleanField(default=False)
    n_lost = models.PositiveIntegerField(default=0)  # how often its worker was lost

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "first"], name="unique_batch_chunk"),
        ]
        indexes = [
            models.Index(
                fields=["batch", "first"],
                condition=models.Q(is_done=False, lease=None),
                name="batch_chunk_unclaimed",
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.first}+{self.n_items}"


class BatchInput(models.Model):
    """The JSON object that was sent for one item, byte by byte."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="inputs")
    index = models.PositiveIntegerField()
    body = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="unique_batch_input"),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.index}"


class BatchResult(models.Model):
    """The result object of one item as the node wrote it, its files taken out; never changed."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="results")
    index = models.PositiveIntegerField()
    size = models.PositiveIntegerField()  # bytes
    is_failure = models.BooleanField(default=False)  # its `success` is false
    body = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "index"], name="unique_batch_result"),
        ]
        indexes = [
            models.Index(
                fields=["batch", "index"],
                condition=models.Q(is_failure=True),
                name="batch_result_failure",
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.index}"


class BatchFile(models.Model):
    """A piece of a file that an item returned, `piece` counting from 0."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="files")
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    piece = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "index", "name", "piece"], name="unique_batch_file_piece"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.index}/{self.name}"


class Upload(models.Model):
    """A file on its way from somebody's browser, or there until a version is published from it.

    Its blob is unfinished until all of it has come and somebody needs it; see `services.uploads`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=1024)  # a path for one of several files of a folder
    size = models.BigIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def received(self) -> int:
        """How many of its bytes have come."""
        return self.blob.size

    @property
    def is_complete(self) -> bool:
        """Whether all of it has come."""
        return self.received == self.size


class Draft(models.Model):
    """What somebody has typed on the Publish page so far, for a new version or to change one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    revision = models.PositiveIntegerField(default=0)  # how often it was saved
    content = models.JSONField(default=dict)  # see services.drafts.content
    uploads = models.ManyToManyField(Upload, related_name="+")  # which its content names
    based_on = models.ForeignKey(Version, on_delete=models.SET_NULL, null=True, related_name="+")
    base = models.JSONField(default=dict)  # what the content was at the beginning
    is_edit = models.BooleanField(default=False)  # it changes `based_on` instead of adding one
    job_id = models.UUIDField(null=True)  # of the job that publishes it, or tried to
    published = models.ForeignKey(Version, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering = ["-updated_at", "id"]

    def __str__(self) -> str:
        return f"{self.content.get('name') or 'no name yet'} {self.content.get('version', '')}"
