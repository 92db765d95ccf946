"""Signs of life of the Celery worker and its beat, for the supervisor to see.

Neither answers HTTP, so each touches a file: the worker from its consuming loop, beat from its
scheduling loop. A loop that hangs stops touching.
"""

import logging
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler
from django.conf import settings

BEAT_SECONDS = 1.0

log = logging.getLogger(__name__)


def heartbeat_file(name: str) -> Path:
    """The file whose time of change is the last sign of life of "worker" or "beat"."""
    return Path(settings.BROKER_DIR, f"{name}.alive")


def heartbeat_files() -> list[Path]:
    """The files of both."""
    return [heartbeat_file("worker"), heartbeat_file("beat")]


def touch(name: str) -> None:
    """Records a sign of life; a disk that is full is no reason to stop working."""
    try:
        heartbeat_file(name).touch()
    except OSError as error:
        log.warning("Cannot record a sign of life: %s", error)


class WorkerHeartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the worker's file from the loop that consumes messages."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Begins with the consumer `parent`."""
        # The timer has a thread of its own: only what it puts into the loop proves the loop.
        parent.timer.call_repeatedly(BEAT_SECONDS, parent.call_soon, (touch, "worker"))
        parent.call_soon(touch, "worker")


class BeatScheduler(PersistentScheduler):  # type: ignore[misc]
    """Celery's scheduler, touching beat's file at each tick."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until the next tick, once the tasks that are due have been sent."""
        touch("beat")
        return float(super().tick(*args, **kwargs))
