"""The page on which a draft is written, and what its script asks while somebody types."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, page, render, user_of
from mlops.jobs.models import Job
from services.console.publish.addresses import published_address, version_address
from services.console.publish.answers import body_of, draft_in, saying_problems
from services.drafts.jobs import PUBLISH
from services.drafts.keeping import own_draft, save_draft
from services.drafts.naming import availability
from services.grants import revision
from services.inference.tables import propose_parameters
from services.models import Draft, Service
from services.permissions import may_govern
from services.schema import PARAMETER_TYPES, REALTIME


@page("publish/<uuid:draft_id>/", name="draft", role=Role.CONTRIBUTOR)
def draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """The page of one draft; of one that is published, where it went."""
    found = own_draft(user=user_of(request), draft_id=draft_id)
    if found.published is not None:
        return HttpResponseRedirect(published_address(found.published))
    changed = found.based_on if found.is_edit else None
    is_realtime = found.content.get("runtime_type") == REALTIME
    context = {
        "draft": found,
        "changed": changed,
        "changed_address": version_address(changed) if changed else "",
        "is_realtime": is_realtime,
        "types": PARAMETER_TYPES,
        "pool_max": settings.DEDICATED_POOL_MAX_SIZE,
        "state": _state(request, found),
    }
    return render(request, "services/publish/draft.html", context, title=_title(found))


def _title(draft: Draft) -> str:
    if draft.based_on is not None:
        base = draft.based_on
        return f"Change {base}" if draft.is_edit else f"New version of {base.name}"
    kind = draft.content.get("runtime_type")
    return "Publish a model file" if kind == REALTIME else f"Publish {kind} code"


@page(
    "publish/<uuid:draft_id>/save/",
    name="save_draft",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
@saying_problems
@require_POST
def save(request: HttpRequest, draft_id: UUID) -> HttpResponseBase:
    """What was typed is kept."""
    changed, content = draft_in(body_of(request))
    saved = save_draft(user=user_of(request), draft_id=draft_id, revision=changed, content=content)
    return JsonResponse({"revision": saved.revision})


@page("publish/names/", name="publish_names", role=Role.CONTRIBUTOR)
@saying_problems
@require_GET
def names(request: HttpRequest) -> HttpResponseBase:
    """Whether a name and version are free, which the service has, and its grants if one may."""
    name = request.GET.get("name", "").strip()
    version = request.GET.get("version", "").strip()
    said = availability(user=user_of(request), name=name, version=version)
    return JsonResponse(
        {
            "versions": said.versions,
            "suggestion": said.suggestion,
            "problem": said.problem,
            "field": said.field,
            "grants": _grants(request, name),
        }
    )


@page("publish/sample/", name="publish_sample", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
@saying_problems
@require_POST
def sample(request: HttpRequest) -> HttpResponseBase:
    """The parameters that a pasted sample shows."""
    sample = str(body_of(request).get("sample", ""))
    return JsonResponse(propose_parameters(sample).as_json())


def is_publishing(draft: Draft) -> bool:
    """Whether a job publishes it at the moment."""
    if draft.job_id is None:
        return False
    return Job.objects.unfinished().filter(pk=draft.job_id, kind=PUBLISH).exists()


def _state(request: HttpRequest, draft: Draft) -> dict[str, Any]:
    """What the page's script begins with."""
    based_on = draft.based_on
    name = draft.content.get("name", "")
    return {
        "id": str(draft.pk),
        "revision": draft.revision,
        "content": draft.content,
        "isEdit": draft.is_edit and based_on is not None,
        "basedOn": str(based_on or ""),
        "keptBytes": based_on.payload.size if based_on and based_on.payload else 0,
        "isPublishing": is_publishing(draft),
        "grants": _grants(request, name),
        "addresses": {
            "names": reverse("console:publish_names"),
            "sample": reverse("console:publish_sample"),
            "inspect": reverse("console:publish_inspect"),
            "job": reverse("console:publish_job"),
            **{
                each: reverse(f"console:{route}", args=[draft.pk])
                for each, route in (
                    ("save", "save_draft"),
                    ("run", "run_draft"),
                    ("publish", "publish_draft"),
                )
            },
        },
    }


def _grants(request: HttpRequest, name: str) -> dict[str, Any] | None:
    """The grants of the service; None when there is none, or one may not see them."""
    service = Service.objects.filter(name=name).first() if name else None
    if service is None:
        return {"mayGovern": True, "grants": [], "revision": "", "exists": False}
    if not may_govern(service, caller_of(request)):
        return {"mayGovern": False, "grants": [], "revision": "", "exists": True}
    return {
        "mayGovern": True,
        "grants": service.grants,
        "revision": revision(service.grants),
        "exists": True,
    }
