"""Periodic tasks of the services app."""

from celery import shared_task

from services.pools import reconciling


@shared_task  # type: ignore[untyped-decorator]
def reconcile_pools() -> None:
    """Bring the dedicated pools of all nodes to what is wanted; see `services.pools`."""
    reconciling.reconcile_pools()
