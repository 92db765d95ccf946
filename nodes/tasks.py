"""Periodic tasks of the nodes app."""

from typing import Any

from celery import shared_task
from celery.signals import worker_init
from django.utils import timezone

from nodes import health, session_upkeep, trust
from nodes.runtime.certificates import TlsError
from nodes.usage import recording


@worker_init.connect  # type: ignore[untyped-decorator]
def require_usable_certificates(**kwargs: Any) -> None:  # noqa: ARG001 - a signal's signature
    """A worker does not start when it could not show its certificate to compute nodes."""
    try:
        trust.of_client()
    except TlsError as error:
        raise SystemExit(f"The worker does not start. {error}") from None


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


@shared_task  # type: ignore[untyped-decorator]
def record_nodes() -> None:
    """Record how the compute nodes are, once a minute; see `nodes.usage`."""
    recording.record_nodes(now=timezone.now())
