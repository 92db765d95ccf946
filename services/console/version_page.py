"""The page of a version: what it is, how to call it, how it fares, and what may be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from mlops.accounts.token_cache import Caller
from mlops.console.api_calls import ApiCall
from mlops.console.pages import caller_of, page, render
from mlops.errors import NotFound
from nodes.registry import registry
from services import grants
from services.console import calls, finding
from services.console.grants_form import GrantsForm, form_of
from services.console.usage_charts import usage_of
from services.examples import example_inputs
from services.models import RuntimeType, Service, Version
from services.overview import versions_for
from services.permissions import may_govern, may_write, require_govern
from services.usage import reading, scopes

SHOWN_VERSIONS = 8
MOST_VERSIONS = 1000


@dataclass(frozen=True, slots=True)
class PoolForm:
    """What the form for the pool shows."""

    initial_size: str
    max_size: str
    problem: str = ""


@page("service/<str:name>/", name="service")
def show_service(request: HttpRequest, name: str) -> HttpResponse:
    """The page of its latest version; of a service without any, that it waits for one."""
    caller = caller_of(request)
    latest = finding.latest_found(caller, name)
    if latest is not None:
        return HttpResponseRedirect(finding.address_of(latest))
    service = finding.waiting_service(name)
    if service is None:
        return finding.no_service(request, name)
    require_govern(service, caller)
    return render_waiting(request, service, form_of(service))


@page("service/<str:name>/<str:version>/", name="version")
def show_version(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The page of the version."""
    caller = caller_of(request)
    try:
        found = finding.found_version(caller, name, version)
    except NotFound:
        return finding.no_version(request, caller, name, version)
    return render_version(request, found)


def render_version(
    request: HttpRequest,
    version: Version,
    *,
    grants_form: GrantsForm | None = None,
    pool_form: PoolForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, with what was typed into its forms and is not saved."""
    caller = caller_of(request)
    base_url = request.build_absolute_uri("/")
    is_writable, is_governed = may_write(version, caller), may_govern(version.service, caller)
    example = example_inputs(version.input_parameters, version.example)
    context: dict[str, Any] = {
        "version": version,
        "name": version.name,
        "may_write": is_writable,
        "may_govern": is_governed,
        "has_shells": version.runtime_type != RuntimeType.REALTIME,
        "access": version.access,
        "who": _named(version.service),
        "snippets": calls.calls_for(version, base_url, version.example),
        "call_address": calls.call_address(version, base_url),
        "api_call": ApiCall(base_url, "POST", _api_path(version), example, key="consume"),
        "example": example,
        "has_example": bool(version.example),
        "line": _line(version),
        "warm": registry.warm(version.bundle_id),
        "pool_form": pool_form or _pool_form(version),
        "most_shells": settings.DEDICATED_POOL_MAX_SIZE,
        "usage": usage_of(
            request,
            scopes.of_version(version.name, version.version),
            versions=Version.objects.filter(pk=version.pk),
        ),
        **_timeline(request, caller, version),
    }
    if is_governed:
        context["grants_form"] = grants_form or form_of(version.service)
    if is_writable:
        context |= {"code": _numbered(version.code), "init_code": _numbered(version.init_code)}
    subtitle = "" if context["is_latest"] else "not the latest version"
    return render(
        request,
        "services/version.html",
        context,
        title=str(version),
        subtitle=subtitle,
        status=status,
    )


def render_waiting(
    request: HttpRequest, service: Service, form: GrantsForm, *, status: int = 200
) -> HttpResponse:
    """The page of a service that has grants and waits for a version."""
    context = {
        "name": service.name,
        "grants_form": form,
        "may_govern": True,
        "access": service.access,
        "who": _named(service),
        "publish_address": f"{reverse('console:index')}publish/",
    }
    return render(request, "services/waiting.html", context, title=service.name, status=status)


def _timeline(request: HttpRequest, caller: Caller, version: Version) -> dict[str, Any]:
    """The versions of the service that the caller may consume, the newest first."""
    versions = versions_for(caller).named(version.name)
    newest = versions.defer("code", "init_code").order_by("-created_at", "-id")
    shows_all = "all" in request.GET
    shown = list(newest[: MOST_VERSIONS if shows_all else SHOWN_VERSIONS])
    n_versions = versions.count()
    latest = shown[0] if shown else version
    if version.pk not in {each.pk for each in shown}:
        shown.append(version)
    return {
        "timeline": shown,
        "n_versions": n_versions,
        "n_more": n_versions - len(shown),
        "shows_all": shows_all,
        "latest": latest,
        "is_latest": latest.pk == version.pk,
    }


def _named(service: Service) -> Mapping[str, list[str]]:
    """Whom the grants of the service name, in words, by right."""
    named = [grants.Grant(**each) for each in service.grants]
    return {
        right: [f"{one.kind} {one.name}" for one in named if one.right == right]
        for right in grants.RIGHTS
    }


def _line(version: Version) -> reading.Line:
    key = (version.name, version.version)
    return reading.version_sparklines([key], now=timezone.now())[key]


def _pool_form(version: Version) -> PoolForm:
    if version.has_pool:
        return PoolForm(str(version.pool.initial_size), str(version.pool.max_size))
    return PoolForm("1", "2")


def _api_path(version: Version) -> str:
    return calls.call_address(version, "")


def _numbered(code: str | None) -> list[tuple[int, str]] | None:
    return None if not code else list(enumerate(code.splitlines(), 1))
