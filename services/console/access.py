"""Setting the grants of a service from its page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, page, user_of
from mlops.errors import Conflict, InvalidRequest
from services import grants
from services.actions.set_grants import service_to_govern, set_grants
from services.console import finding
from services.console.grants_form import GrantsForm
from services.console.version_page import render_version, render_waiting
from services.grants import Grant
from services.models import Service, Version
from services.overview import versions_for

_CHANGED = (
    "Somebody else changed the grants meanwhile, so yours were not saved. Now they are: {}. What "
    "you typed is still here: save it again to replace theirs."
)


@page("grants/<str:name>/", name="grants", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
def change_grants(request: HttpRequest, name: str) -> HttpResponse:
    """Set the grants of the service, and go back to the page on which they were typed."""
    if request.method != "POST":
        return HttpResponseRedirect(f"{reverse('console:service', args=[name])}#access")
    user = user_of(request)
    service = service_to_govern(user=user, name=name)
    typed, former = _typed(request), request.POST.get("revision", "")
    try:
        set_grants(user=user, name=name, grants=typed, former=former)
    except (Conflict, InvalidRequest) as error:
        problem = error.message
        if is_conflict := isinstance(error, Conflict):
            problem = _CHANGED.format(_in_words(service))
            former = grants.revision(service.grants)
        form = GrantsForm(typed, former, problem, is_conflict)
        found = _version_of(request, service)
        if found is None:
            return render_waiting(request, service, form, status=error.status)
        return render_version(request, found, grants_form=form, status=error.status)
    messages.success(request, f"Saved who may call and manage {name}.")
    found = _version_of(request, service)
    if found is not None:
        return HttpResponseRedirect(f"{finding.address_of(found)}#access")
    if Service.objects.filter(name=name).exists():
        return HttpResponseRedirect(reverse("console:service", args=[name]))
    return HttpResponseRedirect(reverse("console:services_service_changelist"))


def _typed(request: HttpRequest) -> list[Grant]:
    """The lines of the form that have a name."""
    columns = (request.POST.getlist(field) for field in ("right", "kind", "name"))
    rows = (Grant(right, kind, name.strip()) for right, kind, name in zip(*columns, strict=False))
    return [row for row in rows if row.name]


def _version_of(request: HttpRequest, service: Service) -> Version | None:
    """The version on whose page the form was, or another one of the service."""
    versions = versions_for(caller_of(request)).named(service.name)
    versions = versions.select_related("service", "payload", "pool")
    named = versions.filter(version=request.POST.get("on", "")).first()
    return named or versions.last()


def _in_words(service: Service) -> str:
    named = [Grant(**each) for each in service.grants]
    return "; ".join(f"{one.right}: {one.kind} {one.name}" for one in named) or "none"
