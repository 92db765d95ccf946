"""Running a draft on a compute node, publishing it, and the page that says where it went."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, page, render, user_of
from mlops.errors import InvalidRequest, NotFound
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from nodes.holding import parse_id
from services.actions.lookup import version_to_consume
from services.console.calls import call_address, calls_for
from services.console.publish.addresses import published_address, version_address
from services.console.publish.answers import body_of, saying_problems
from services.drafts.jobs import PUBLISH, TRY, outcome_of
from services.drafts.keeping import own_draft, require_revision
from services.jobs import INSPECT
from services.models import Draft, Version


@page(
    "publish/<uuid:draft_id>/run/",
    name="run_draft",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
@saying_problems
@require_POST
def run(request: HttpRequest, draft_id: UUID) -> HttpResponseBase:
    """Start a test run of the draft as it was saved."""
    user, body = user_of(request), body_of(request)
    inputs = body.get("inputs")
    if not isinstance(inputs, dict):
        raise InvalidRequest("The inputs must be a JSON object.", fields="example")
    require_revision(own_draft(user=user, draft_id=draft_id), body.get("revision"))
    arguments = {"draft_id": str(draft_id), "inputs": inputs}
    job = running.start(TRY, user=user, arguments=arguments)
    return JsonResponse({"job": str(job.pk)})


@page("publish/inspect/", name="publish_inspect", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
@saying_problems
@require_POST
def inspect(request: HttpRequest) -> HttpResponseBase:
    """Start to look into uploads."""
    ids = body_of(request).get("uploads")
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) for each in ids):
        raise InvalidRequest("Name the uploads.", fields="files")
    job = running.start(INSPECT, user=user_of(request), arguments={"uploads": ids})
    return JsonResponse({"job": str(job.pk)})


@page("publish/job/", name="publish_job", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
@saying_problems
def follow(request: HttpRequest) -> HttpResponseBase:
    """How far one of the user's own jobs of this page is; POST ends it."""
    asked = str(body_of(request).get("job")) if request.method == "POST" else request.GET.get("job")
    own = Job.objects.filter(owner=user_of(request), kind__in=(TRY, INSPECT))
    job = own.filter(pk=parse_id(asked or "")).first()
    if job is None:
        raise NotFound("That is over and forgotten: start it again.")
    if request.method == "POST":
        running.cancel(job)
        job.refresh_from_db()
    return JsonResponse(_of_job(job))


@page(
    "publish/<uuid:draft_id>/publish/",
    name="publish_draft",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
@saying_problems
def publish(request: HttpRequest, draft_id: UUID) -> HttpResponseBase:
    """Publish the draft as it was saved; GET tells how far that is."""
    user = user_of(request)
    draft = own_draft(user=user, draft_id=draft_id)
    so_far = _of_publishing(draft)
    if request.method != "POST" or so_far["state"] in ("running", "done"):  # or asked twice
        return JsonResponse(so_far)
    body = body_of(request)
    require_revision(draft, body.get("revision"))
    arguments = {"draft_id": str(draft_id), "overwrite": str(body.get("overwrite", ""))}
    if draft.content.get("files"):  # to read and check them takes its time
        job = running.start(PUBLISH, user=user, arguments=arguments)
        Draft.objects.filter(pk=draft.pk).update(job_id=job.pk)
        return JsonResponse({"state": "running"})
    outcome = outcome_of(user=user, **arguments)
    draft.refresh_from_db()
    return JsonResponse(_of_outcome(draft, outcome))


@page("published/<str:name>/<str:version>/", name="published", role=Role.READER)
def published(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Where a version answers, and calls of it to copy."""
    found = version_to_consume(caller=caller_of(request), name=name, version=version)
    base_url = request.build_absolute_uri("/")
    context = {
        "version": found,
        "address": call_address(found, base_url),
        "calls": calls_for(found, base_url, found.example),
        "open_to": _open_to(found),
        "version_address": version_address(found),
        "keys_address": reverse("console:account"),
    }
    return render(request, "services/publish/published.html", context, title=f"Published {found}")


def _open_to(version: Version) -> str:
    access = version.access
    if access is not None and access.is_closed:
        return "Only those whom its grants name may call it, and it is ready: nothing to deploy."
    return "Everybody with a role may call it, and it is ready: nothing to deploy."


def _of_publishing(draft: Draft) -> dict[str, Any]:
    """How far the publishing of the draft is; `idle` when nobody has asked for it."""
    if draft.published is not None:
        return {"state": "done", "location": published_address(draft.published)}
    job = Job.objects.filter(pk=draft.job_id).first() if draft.job_id else None
    if job is None:
        return {"state": "idle"}
    if not job.is_ended:
        return _under_way(job)
    return _of_outcome(draft, job.result or {}) if job.state == JobState.DONE else _failed(job)


def _of_outcome(draft: Draft, outcome: dict[str, Any]) -> dict[str, Any]:
    if draft.published is not None:
        return {"state": "done", "location": published_address(draft.published)}
    return {"state": "failed", "problem": outcome.get("problem")}


def _of_job(job: Job) -> dict[str, Any]:
    if not job.is_ended:
        return _under_way(job)
    if job.state != JobState.DONE:
        return _failed(job)
    return {"state": "done", "result": job.result or {}}


def _under_way(job: Job) -> dict[str, Any]:
    text = job.progress.get("text") or job.progress.get("step") or "waiting for a worker"
    return {"state": "running", "text": text[:1].upper() + text[1:]}


def _failed(job: Job) -> dict[str, Any]:
    message = job.error or "It was stopped."
    return {"state": "failed", "problem": {"message": message, "field": "", "status": 500}}
