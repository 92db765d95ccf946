"""Published services and their versions."""

import uuid
from typing import Self

from django.db import models

from mlops.blobs.models import Blob
from services.schema import is_name


class RuntimeType(models.TextChoices):
    """How a version runs (wire-api section 11)."""

    R = "R"
    PYTHON = "Python"
    REALTIME = "Realtime"


class Service(models.Model):
    """A name under which versions are published; it exists while it has at least one."""

    name = models.CharField(max_length=128, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


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
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.service.name}/{self.version}"

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
