"""Finding the version that a page is about, and what to say where there is none."""

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from mlops.accounts.token_cache import Caller
from mlops.console.pages import render
from services.actions.lookup import version_to_consume
from services.models import Service, Version, VersionQuerySet
from services.overview import versions_for
from services.permissions import require_consume
from services.schema import is_name

MOST_OTHERS = 20


def found_version(caller: Caller, name: str, version: str) -> Version:
    """The version with all that its page shows; raises NotFound or Forbidden."""
    found = version_to_consume(caller=caller, name=name, version=version)
    return _whole().get(pk=found.pk)


def latest_found(caller: Caller, name: str) -> Version | None:
    """The version published last of those that the caller may consume; None without versions.

    Raises Forbidden when the service has versions and the caller may consume none.
    """
    latest = versions_for(caller).named(name).select_related("service").last()
    if latest is None:
        hidden = Version.objects.named(name).select_related("service").first()
        if hidden is not None:
            require_consume(hidden, caller)
    return latest


def address_of(version: Version, page: str = "version") -> str:
    """Where a page about the version is."""
    return reverse(f"console:{page}", args=[version.name, version.version])


def no_version(request: HttpRequest, caller: Caller, name: str, version: str) -> HttpResponse:
    """The page that says that there is no such version, and which others there are."""
    others = versions_for(caller).named(name).select_related("service").order_by("-created_at")
    return gone(
        request,
        title="There is no such version",
        message=f"{name}/{version} does not exist: it was deleted, or never published.",
        others=list(others[:MOST_OTHERS]),
    )


def no_service(request: HttpRequest, name: str) -> HttpResponse:
    """The page that says that there is no such service."""
    return gone(
        request,
        title="There is no such service",
        message=f"{name} has no version: it was deleted, or never published.",
    )


def gone(
    request: HttpRequest, *, title: str, message: str, others: list[Version] | None = None
) -> TemplateResponse:
    """A page of status 404 with links to what is there."""
    context = {"message": message, "others": others or []}
    return render(request, "services/gone.html", context, title=title, status=404)


def waiting_service(name: str) -> Service | None:
    """The service of this name that has grants and no version; None when there is none."""
    return Service.objects.filter(name=name, versions=None).first() if is_name(name) else None


def _whole() -> VersionQuerySet:
    return Version.objects.select_related("service", "payload", "pool")
