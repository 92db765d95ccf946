"""The Celery application; a directory of files is the broker on one box.

`beat_schedule` below holds every periodic task of the project. Each entry's message expires when
the next one is due, so that a worker that was away does not find a heap of them.
"""

import os
import warnings
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_embedded_init, setup_logging, worker_process_init
from kombu.transport import TRANSPORT_ALIASES

from mlops.onebox.heartbeat import WorkerHeartbeat
from mlops.onebox.parent import exit_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops.settings")
TRANSPORT_ALIASES["files"] = "mlops.file_broker:Transport"
# On one box the worker runs as whoever started the box, as all its processes do.
warnings.filterwarnings("ignore", module=r"celery\.platforms")

app = Celery("mlops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(WorkerHeartbeat)


def every(seconds: int, task: str) -> dict[str, Any]:
    """A beat entry that runs `task` every `seconds`."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_schedule = {
    "probe nodes": every(5, "nodes.tasks.probe_nodes"),
    "reconcile pools": every(5, "services.tasks.reconcile_pools"),
    "record nodes": {**every(60, "nodes.tasks.record_nodes"), "schedule": crontab()},
    "remove old usage": every(3600, "services.tasks.remove_old_usage"),
    "close idle sessions": every(60, "nodes.tasks.close_idle_sessions"),
    "close stray sessions": every(60, "nodes.tasks.close_stray_sessions"),
    "run batches": every(5, "services.tasks.run_batches"),
    "look after jobs": every(10, "mlops.jobs.tasks.look_after_jobs"),
    "remove expired jobs": every(3600, "mlops.jobs.tasks.remove_expired_jobs"),
    "sweep batches": every(300, "services.tasks.sweep_batches"),
    "sweep uploads": every(3600, "services.tasks.sweep_uploads"),
    "sweep drafts": every(3600, "services.tasks.sweep_drafts"),
    "sweep temporary services": every(600, "services.tasks.sweep_temporary_services"),
    "sweep blobs": every(3600, "mlops.blobs.tasks.sweep_blobs"),
    "remove dead tokens": every(3600, "mlops.accounts.tasks.remove_dead_tokens"),
    "forget failed sign-ins": every(300, "mlops.accounts.tasks.forget_failed_sign_ins"),
    "remove expired sessions": every(3600, "mlops.accounts.tasks.remove_expired_sessions"),
    "remove expired audit entries": every(
        3600, "mlops.accounts.tasks.remove_expired_audit_entries"
    ),
}


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_our_logging(**kwargs: Any) -> None:
    """Django has set up logging already; a receiver keeps Celery from doing it again."""


@worker_process_init.connect  # type: ignore[untyped-decorator]
@beat_embedded_init.connect  # type: ignore[untyped-decorator]
def leave_nothing_behind(**kwargs: Any) -> None:  # noqa: ARG001 - a signal's signature
    """The worker's own processes end with it, even when it is killed."""
    exit_with_parent()
