"""Runs of diagnostics and of capacity evaluations that pages start: jobs, open to every Owner."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.errors import NotFound
from mlops.jobs import running
from mlops.jobs.models import Job
from services.capacity.options import Options

DIAGNOSTICS, TRACE, CAPACITY = "diagnostics", "trace", "capacity"
PING = "ping"
CODE, SERVICE = "code", "service"  # what is traced


@noting_refusals("start diagnostics")
def start_diagnostics(*, user: User) -> Job:
    """A configuration test that a worker runs; raises Forbidden below Owner."""
    return _start("start diagnostics", user, DIAGNOSTICS, {})


@noting_refusals("start trace")
def start_trace(*, user: User, what: str, **arguments: str) -> Job:
    """A trace of CODE or of a SERVICE that a worker runs; raises Forbidden below Owner."""
    return _start("start trace", user, TRACE, {"what": what, "arguments": arguments})


@noting_refusals("start capacity evaluation")
def start_capacity(*, user: User, options: Options) -> Job:
    """An evaluation that a worker runs; raises Forbidden below Owner, InvalidRequest."""
    values = options.checked().as_json()
    return _start("start capacity evaluation", user, CAPACITY, {"options": values})


@noting_refusals("cancel run")
def cancel_run(*, user: User, kind: str, run_id: UUID) -> None:
    """Have the run end soon, whoever started it; raises Forbidden below Owner, NotFound."""
    require_role(user, Role.OWNER)
    job = run_of(kind, run_id)
    with transaction.atomic():
        running.cancel(job)
        record("cancel run", user=user, object=str(job))


def run_of(kind: str, run_id: UUID) -> Job:
    """The run; raises NotFound."""
    job = runs_of(kind).filter(pk=run_id).first()
    if job is None:
        raise NotFound("There is no such run: it may have been too old to be kept.")
    return job


def runs_of(kind: str) -> QuerySet[Job]:
    """The runs of a kind, the newest first."""
    return Job.objects.filter(kind=kind).select_related("owner").order_by("-created_at")


def _start(action: str, user: User, kind: str, arguments: dict[str, Any]) -> Job:
    require_role(user, Role.OWNER)
    with transaction.atomic():
        job = running.start(kind, user=user, arguments=arguments)
        record(action, user=user, object=str(job))
    return job
