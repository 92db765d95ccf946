"""Starting jobs, and running them in a worker.

The database has the truth; a message to the workers is only a nudge. Who runs a job gives signs of
life; a job whose worker was lost has failed and says so, for it may not be safe to run it twice.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from mlops.accounts import serving
from mlops.accounts.models import User
from mlops.correlation import correlated, current_id
from mlops.errors import MlopsError
from mlops.jobs.kinds import all_kinds, call, kind_called
from mlops.jobs.models import LOST, Job, JobState
from mlops.last_resort import internal_error
from mlops.nudging import nudge
from mlops.storable import storable, storable_text

logger = logging.getLogger(__name__)

NOT_ACTIVE = "The account is not active."
REPORT_SECONDS = 0.25  # at most so often is progress written
_SIGN_OF_LIFE_SECONDS = 2.0


class Cancelled(Exception):  # noqa: N818 - no error
    """The job's owner wants no more of it."""


class JobContext:
    """What a running job knows of itself; it may be used from any of its threads."""

    def __init__(self, job: Job) -> None:
        self.job_id: UUID = job.pk
        self.user: User = job.owner
        self._cancelled = threading.Event()
        self._written_at = 0.0
        self._progress: dict[str, Any] = {}
        self._unwritten = False
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether its owner wants no more of it, or the worker lost it."""
        return self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Nothing; raises Cancelled, which ends the job as it should."""
        if self.cancelled:
            raise Cancelled

    def report(self, progress: dict[str, Any]) -> None:
        """Show `progress` to who watches, in place of what was shown before."""
        with self._lock:
            self._progress, self._unwritten = progress, True
            is_due = time.monotonic() - self._written_at >= REPORT_SECONDS
        if is_due:
            self.write()

    def write(self) -> None:
        """Tell the database that the job is alive and how far it is; learn whether to go on."""
        with self._lock:
            values: dict[str, Any] = {"seen_at": timezone.now()}
            if self._unwritten:
                values["progress"] = storable(self._progress)
            self._unwritten, self._written_at = False, time.monotonic()
        mine = Job.objects.filter(pk=self.job_id, state=JobState.RUNNING)
        if not mine.update(**values) or mine.filter(is_cancel_requested=True).exists():
            self._cancelled.set()


def start(kind: str, *, user: User, arguments: dict[str, Any]) -> Job:
    """A new job of `user`, which a worker takes up as soon as this transaction is committed.

    Whether the user may is asked by who calls, and by the actions that the job calls.
    """
    kind_called(kind)
    job = Job.objects.create(
        kind=kind,
        owner=user,
        arguments=storable(arguments),
        address=serving.origin(),
        login_session_id=serving.login_session_id(),
        correlation_id=current_id(),
    )
    transaction.on_commit(partial(_nudge, job.pk))
    return job


def cancel(job: Job) -> None:
    """Have the job end soon, if it has not; one that waits ends at once."""
    waiting = Job.objects.filter(pk=job.pk, state=JobState.WAITING)
    if not waiting.update(state=JobState.CANCELLED, finished_at=timezone.now()):
        Job.objects.filter(pk=job.pk).unfinished().update(is_cancel_requested=True)


def run(job_id: UUID | str) -> None:
    """Run the job, unless somebody else has taken it."""
    now = timezone.now()
    claimed = Job.objects.filter(pk=job_id, state=JobState.WAITING).update(
        state=JobState.RUNNING, started_at=now, seen_at=now
    )
    if not claimed:
        return
    job = Job.objects.select_related("owner").get(pk=job_id)
    context = JobContext(job)
    came_from = serving.on_behalf_of(job.address, job.login_session_id)
    with came_from, correlated(job.correlation_id), _signs_of_life(context):
        outcome = _outcome(context, job)
    context.write()
    Job.objects.filter(pk=job_id, state=JobState.RUNNING).update(
        finished_at=timezone.now(), **outcome
    )


def give_up_lost() -> int:
    """Let jobs whose worker was lost fail; how many they were."""
    return Job.objects.lost().update(state=JobState.FAILED, error=LOST, finished_at=timezone.now())


def nudge_waiting() -> None:
    """Tell the workers again of jobs whose message may have been lost."""
    for job_id in Job.objects.filter(state=JobState.WAITING).values_list("pk", flat=True)[:100]:
        _nudge(job_id)


def remove_expired() -> int:
    """Delete jobs that have been kept for long enough; how many they were."""
    now, deleted = timezone.now(), 0
    for name, kind in all_kinds().items():
        until = now - timedelta(days=kind.kept_days)
        deleted += Job.objects.filter(kind=name, finished_at__lt=until).delete()[0]
    return deleted


def _nudge(job_id: UUID) -> None:
    from mlops.jobs.tasks import run_job

    nudge(run_job, str(job_id), harm=f"job {job_id} starts later")


def _outcome(context: JobContext, job: Job) -> dict[str, Any]:
    if not job.owner.is_active:
        return {"state": JobState.FAILED, "error": NOT_ACTIVE}
    try:
        result = call(context, job.kind, job.arguments)
    except Cancelled:
        return {"state": JobState.CANCELLED}
    except MlopsError as error:
        return {"state": JobState.FAILED, "error": storable_text(error.message)}
    except Exception:
        logger.exception("Job %s failed", job)
        return {"state": JobState.FAILED, "error": internal_error()["message"]}
    return {"state": JobState.DONE, "result": storable(result)}


@contextmanager
def _signs_of_life(context: JobContext) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_SIGN_OF_LIFE_SECONDS):
            try:
                context.write()
            except DatabaseError as error:
                logger.warning("Job %s cannot say that it is alive: %s", context.job_id, error)
            finally:
                connection.close()

    teller = threading.Thread(target=tell, name=f"job {context.job_id}", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
