"""Periodic tasks of the nodes app."""

from celery import shared_task
from django.utils import timezone

from nodes import health, sessions


@shared_task  # type: ignore[untyped-decorator]
def probe_nodes() -> None:
    """Look at every compute node; see `nodes.health`."""
    health.probe_nodes(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def close_idle_sessions() -> None:
    """Close the sessions nobody has used for long; see `nodes.sessions`."""
    sessions.close_idle_sessions(now=timezone.now())
