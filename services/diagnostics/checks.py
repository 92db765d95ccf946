"""The whole configuration test: what mlops, nodes and services look at, in one order."""

import json
import time
from collections.abc import Iterator

from mlops.accounts.models import User
from mlops.accounts.roles import Role, require_role
from mlops.correlation import new_id
from mlops.diagnostics import checks as of_project
from mlops.diagnostics.findings import FAIL, PASS, WARN, Check, Finding, findings_of
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from nodes.background import run_sync
from nodes.diagnostics.checks import NodeChecks
from nodes.models import Runtime
from nodes.registry import registry
from services.runs import PING
from services.scoring import score
from services.temporary import ANSWER, INPUTS, temporary_service
from services.web_node import WebNode, own_url

_PUBLISHING = "publishing and calling"
_PING_SECONDS = 5
_WORKER = "worker for batches and jobs"
JOB_SECONDS = 10.0
_LOOK_SECONDS = 0.1


def configuration_test(user: User | None, *, is_job: bool = False) -> Iterator[Finding]:
    """The findings as they come; raises Forbidden below Owner.

    Without a user, whom nobody can look up while the database is away, nothing is published and no
    job is run. One that `is_job` itself need not prove that jobs are run.
    """
    checks = [Check("web node", _web_node), *of_project.checks(), *NodeChecks().checks()]
    if user is not None:
        require_role(user, Role.OWNER)
        if not is_job:
            checks.append(Check(_WORKER, lambda: _jobs(user)))
        checks.append(Check(_PUBLISHING, lambda: _publishing(user)))
    return findings_of(checks)


def _web_node() -> Iterator[Finding]:
    url = own_url()
    response = run_sync(WebNode(url).get("/ping", seconds=_PING_SECONDS))
    if response.status == 200:
        yield Finding("web node", PASS, f"{url} answers.")
    else:
        advice = "MLOPS_WEB_URL names the web node that is asked."
        yield Finding("web node", FAIL, f"{url} answers {response.status}.", advice)


def _jobs(user: User) -> Iterator[Finding]:
    """Whether a worker for batches and jobs takes a job and ends it."""
    job = running.start(PING, user=user, arguments={})
    try:
        gives_up_at = time.monotonic() + JOB_SECONDS
        while True:
            job.refresh_from_db()
            if job.state == JobState.DONE:
                yield Finding(_WORKER, PASS, "A job was started and has run.")
                return
            if time.monotonic() > gives_up_at:
                break
            time.sleep(_LOOK_SECONDS)
    finally:
        job.delete()
    message = f"No worker has run a job within {JOB_SECONDS:g} seconds."
    busy = Job.objects.filter(state=JobState.RUNNING).exists()
    if busy:
        yield Finding(_WORKER, WARN, message, "Others are run: start more workers, or wait.")
    else:
        yield Finding(_WORKER, FAIL, message, "Start the Celery worker of the queue batch.")


def _publishing(user: User) -> Iterator[Finding]:
    component, runtime = _PUBLISHING, some_runtime()
    with temporary_service(user=user, runtime=runtime) as published:
        result = json.loads(run_sync(score(published, INPUTS, correlation_id=new_id())))
    if result["success"] and result["outputParameters"] == {"answer": ANSWER}:
        message = f"A {runtime} service was published, called and deleted."
        yield Finding(component, PASS, message)
    else:
        message = result["errorMessage"] or f"It answered {result['outputParameters']}."
        yield Finding(component, FAIL, message, "The log of the compute node has more.")


def some_runtime() -> str:
    """Python where a node runs it, else R."""
    by_runtime = registry.picture().by_runtime
    is_r = not by_runtime.get(Runtime.PYTHON) and by_runtime.get(Runtime.R)
    return Runtime.R if is_r else Runtime.PYTHON
