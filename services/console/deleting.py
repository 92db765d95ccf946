"""Deleting a version by its typed name, and whole services at once."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, is_fragment, page, render, user_of
from mlops.errors import InvalidRequest, NotFound
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services.actions.delete import delete_version
from services.console import finding
from services.console.dependants import doomed_version, preview
from services.console.removal import JOB, remove_versions
from services.models import Version
from services.permissions import require_write

MOST_AT_ONCE = 20  # versions that a page deletes itself: more take a second and are a job
SHOWN = 100
_LIST = "console:services_service_changelist"


@page(
    "service/<str:name>/<str:version>/delete/",
    name="delete_version",
    role=Role.CONTRIBUTOR,
    posts=Role.CONTRIBUTOR,
)
def delete_one(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Ask before the version is deleted, and delete it once its name is typed."""
    caller = caller_of(request)
    try:
        found = finding.found_version(caller, name, version)
    except NotFound:
        return finding.no_version(request, caller, name, version)
    require_write(found, caller)
    problem = ""
    if request.method == "POST":
        if request.POST.get("typed_name", "").strip() == str(found):
            delete_version(user=user_of(request), name=name, version=version)
            messages.success(request, f"{found} is deleted.")
            has_others = Version.objects.named(name).exists()
            where = reverse("console:service", args=[name]) if has_others else reverse(_LIST)
            return HttpResponseRedirect(where)
        problem = f"That is not {found}: nothing was deleted."
    context = {
        "question": f"Delete {found}?",
        "depends": [*doomed_version(found, now=timezone.now()).sentences, _afterwards(found)],
        "typed_name": str(found),
        "button": "Delete this version",
        "back": finding.address_of(found),
        "problem": problem,
    }
    title = f"Delete {found}"
    return render(
        request, "console/confirm.html", context, title=title, status=400 if problem else 200
    )


@page("services/delete/", name="delete_services", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
def delete_services(request: HttpRequest) -> HttpResponse:
    """Show what deleting the chosen services does, and delete it once that is confirmed."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse(_LIST))
    if "chosen" not in request.POST:
        return render_preview(request, _texts(request.POST.get("services", "")))
    chosen = [_pair(each) for each in _texts(request.POST["chosen"])]
    names = list(dict.fromkeys(name for name, _ in chosen))
    if len(chosen) > 1 and request.POST.get("typed_name", "").strip() != _phrase(len(chosen)):
        return render_preview(request, names, problem="That is not it: nothing was deleted.")
    return _delete(request, chosen)


def render_preview(
    request: HttpRequest, names: Iterable[str], *, problem: str = ""
) -> HttpResponse:
    """What deleting these services does, and the form to do it."""
    found = preview(names, caller_of(request), now=timezone.now())
    n_doomed = len(found.doomed)
    context = {
        "preview": found,
        "shown": found.doomed[:SHOWN],
        "n_more": max(0, n_doomed - SHOWN),
        "kept": found.kept[:SHOWN],
        "n_more_kept": max(0, len(found.kept) - SHOWN),
        "chosen": json.dumps([[each.version.name, each.version.version] for each in found.doomed]),
        "phrase": _phrase(n_doomed) if n_doomed > 1 else "",
        "problem": problem,
        "back": reverse(_LIST),
    }
    title = "Delete services"
    return render(
        request, "services/delete.html", context, title=title, status=400 if problem else 200
    )


@page("services/deleting/<uuid:job>/", name="deleting_services", role=Role.CONTRIBUTOR)
def show_progress(request: HttpRequest, job: Any) -> HttpResponse:
    """How far the deleting of many versions is."""
    found = Job.objects.filter(pk=job, kind=JOB, owner=user_of(request)).first()
    if found is None:
        raise NotFound("There is no such deletion of yours.")
    outcome = found.result or found.progress
    context = {
        "job": found,
        "outcome": outcome,
        "is_done": found.state == JobState.DONE,
        "back": reverse(_LIST),
    }
    if not is_fragment(request):
        return render(request, "services/deleting.html", context, title="Deleting services")
    response = render(request, "services/deleting_state.html", context, title="")
    if found.is_ended:
        response.headers["X-Live-Ended"] = "1"
    return response


def _delete(request: HttpRequest, chosen: Sequence[tuple[str, str]]) -> HttpResponse:
    user = user_of(request)
    if len(chosen) > MOST_AT_ONCE:
        started = running.start(
            JOB, user=user, arguments={"versions": [list(each) for each in chosen]}
        )
        return HttpResponseRedirect(reverse("console:deleting_services", args=[started.pk]))
    outcome = remove_versions(user, chosen)
    if outcome["deleted"]:
        messages.success(request, _told(outcome["deleted"]))
    for each in outcome["kept"]:
        messages.error(request, f"{each['version']} stays: {each['reason']}")
    return HttpResponseRedirect(reverse(_LIST))


def _told(n_deleted: int) -> str:
    return "1 version is deleted." if n_deleted == 1 else f"{n_deleted} versions are deleted."


def _phrase(n_versions: int) -> str:
    return f"delete {n_versions} versions"


def _afterwards(version: Version) -> str:
    """What is left of the service."""
    others = Version.objects.named(version.name).exclude(pk=version.pk)
    latest = others.last()
    if latest is not None:
        return f"The latest version of {version.name} is then {latest.version}."
    if version.access is not None:
        return f"It is the last version. The name {version.name} and its grants stay."
    return f"It is the last version: the service {version.name} is gone with it."


def _texts(text: str) -> list[Any]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise InvalidRequest("This form is not complete: choose services in the list again.")
    return found


def _pair(each: Any) -> tuple[str, str]:
    if not (
        isinstance(each, list) and len(each) == 2 and all(isinstance(one, str) for one in each)
    ):
        raise InvalidRequest("This form is not complete: choose services in the list again.")
    return each[0], each[1]
