"""Periodic tasks of the services app, and the one that runs batches."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.utils import timezone

from mlops.usage.recorded import remove_old
from nodes.models import NodeUsage
from services import leftovers, uploads
from services.batches import driver, removal
from services.drafts import keeping
from services.models import Usage
from services.pools import reconciling


@shared_task  # type: ignore[untyped-decorator]
def reconcile_pools() -> None:
    """Bring the dedicated pools of all nodes to what is wanted; see `services.pools`."""
    reconciling.reconcile_pools()


# Acknowledged at once: the message is a nudge, and the work may outlast any broker's patience.
@shared_task(acks_late=False)  # type: ignore[untyped-decorator]
def run_batches() -> None:
    """Run batches until nothing is left to do; see `services.batches.driver`."""
    driver.run_batches()


@shared_task  # type: ignore[untyped-decorator]
def sweep_batches() -> int:
    """Delete batches that nobody wants any more; how many they were."""
    return removal.sweep(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def remove_old_usage() -> int:
    """Delete recorded figures that are older than the settings keep them; how many rows."""
    now = timezone.now()
    return remove_old(Usage, now=now) + remove_old(NodeUsage, now=now)


@shared_task  # type: ignore[untyped-decorator]
def sweep_uploads() -> int:
    """Delete uploads that nobody has used for a day; how many they were."""
    return uploads.sweep(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def sweep_drafts() -> int:
    """Delete drafts that nobody has saved for 30 days; how many they were."""
    return keeping.sweep(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def sweep_temporary_services() -> int:
    """Delete services of tests that were killed; how many they were."""
    return leftovers.sweep(timezone.now())


@worker_ready.connect  # type: ignore[untyped-decorator]
def look_for_batches(**kwargs: object) -> None:  # noqa: ARG001 - a signal's signature
    """Have batches taken up that lost their worker, perhaps the one that this one replaces."""
    run_batches.apply_async(expires=60)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def stop_running_batches(**kwargs: object) -> None:  # noqa: ARG001 - a signal's signature
    """A worker that is told to stop does not wait for the end of its batches."""
    driver.stop()
