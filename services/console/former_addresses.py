"""Where pages of services were before: links to them still lead somewhere."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from mlops.console.pages import caller_of, page
from services.console import finding
from services.overview import versions_for

_LIST = "console:services_service_changelist"


@page("services/version/", name="former_services")
def former_list(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view's signature
    """To the list of services."""
    return HttpResponseRedirect(reverse(_LIST))


@page("services/version/<int:key>/change/", name="former_version")
def former_version(request: HttpRequest, key: int) -> HttpResponse:
    """To the page of the version, if the user may see it."""
    versions = versions_for(caller_of(request)).select_related("service")
    found = versions.filter(pk=key).first()
    return HttpResponseRedirect(finding.address_of(found) if found else reverse(_LIST))
