"""Periodic work on blobs."""

from celery import shared_task
from django.utils import timezone

from mlops.blobs import storage


@shared_task  # type: ignore[untyped-decorator]
def sweep_blobs() -> int:
    """Delete abandoned blobs; how many they were."""
    return storage.sweep(timezone.now())
