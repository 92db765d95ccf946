"""Periodic tasks of the nodes app."""

from celery import shared_task
from django.utils import timezone

from nodes import health, session_upkeep


@shared_task  # type: ignore[untyped-decorator]
def probe_nodes() -> None:
    """Look at every compute node; see `nodes.health`."""
    health.probe_nodes(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def close_idle_sessions() -> None:
    """Close the sessions nobody has used for long; see `nodes.session_upkeep`."""
    session_upkeep.close_idle_sessions(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def close_stray_sessions() -> None:
    """Close the sessions on compute nodes that the database has not; see `nodes.session_upkeep`."""
    session_upkeep.close_stray_sessions()
