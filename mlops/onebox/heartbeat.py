"""Signs of life of the Celery workers and beat, for the supervisor to see.

None answers HTTP, so each touches a file: a worker from its consuming loop, beat from its
scheduling loop. A loop that hangs stops touching.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.beat import PersistentScheduler
from django.conf import settings

BEAT_SECONDS = 1.0
WORKER, BATCH_WORKER, BEAT = "worker", "batch", "beat"

log = logging.getLogger(__name__)


def heartbeat_file(name: str) -> Path:
    """The file whose time of change is the last sign of life of WORKER, BATCH_WORKER or BEAT."""
    return Path(settings.BROKER_DIR, f"{name}.alive")


def heartbeat_files() -> list[Path]:
    """The files of all."""
    return [heartbeat_file(name) for name in (WORKER, BATCH_WORKER, BEAT)]


def touch(name: str) -> None:
    """Records a sign of life; a disk that is full is no reason to stop working."""
    try:
        heartbeat_file(name).touch()
    except OSError as error:
        log.warning("Cannot record a sign of life: %s", error)


class WorkerHeartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the worker's file from the loop that consumes messages.

    A worker is named `batch@…` or otherwise. While it has lost the broker and tries to connect
    again its loop stands still; it lives, and a batch in it goes on.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._name = BATCH_WORKER if parent.hostname.startswith(f"{BATCH_WORKER}@") else WORKER
        self._reconnecting: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Begins with the consumer `parent`, and again whenever it has connected anew."""
        # The timer has a thread of its own: only what it puts into the loop proves the loop.
        parent.timer.call_repeatedly(BEAT_SECONDS, parent.call_soon, (touch, self._name))
        parent.call_soon(touch, self._name)
        if self._reconnecting is None:
            self._reconnecting = threading.Thread(
                target=self._touch_while_reconnecting, args=[parent], daemon=True
            )
            self._reconnecting.start()

    def _touch_while_reconnecting(self, parent: Any) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            if parent.connection is None:
                touch(self._name)


class BeatScheduler(PersistentScheduler):  # type: ignore[misc]
    """Celery's scheduler, touching beat's file at each tick."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until the next tick, once the tasks that are due have been sent."""
        touch(BEAT)
        return float(super().tick(*args, **kwargs))
