"""The page that compares a version with another one of its service."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from mlops.console.pages import caller_of, page, render
from mlops.errors import NotFound
from services.console import finding
from services.console.diff import compare
from services.models import Version, VersionQuerySet
from services.overview import versions_for
from services.permissions import may_write

MOST_CHOICES = 500


@page("service/<str:name>/<str:version>/diff/", name="compare_versions")
def compare_versions(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """What this version changed of the one named by `with`, or of the one before it."""
    caller = caller_of(request)
    wanted = request.GET.get("with", "")
    try:
        right = finding.found_version(caller, name, version)
    except NotFound:
        return finding.no_version(request, caller, name, version)
    versions = versions_for(caller).named(name).order_by("-created_at", "-id")
    choices = list(versions.exclude(pk=right.pk).values_list("version", flat=True)[:MOST_CHOICES])
    try:
        left = finding.found_version(caller, name, wanted or _before(right, choices, versions))
    except NotFound:
        if wanted:
            return finding.no_version(request, caller, name, wanted)
        left = None
    context: dict[str, Any] = {
        "version": right,
        "left": left,
        "choices": choices,
        "view": "split" if request.GET.get("view") == "split" else "unified",
    }
    if left is not None:
        with_code = may_write(left, caller) and may_write(right, caller)
        parts = compare(left, right, with_code=with_code)
        context |= {
            "parts": [part for part in parts if not part.is_same],
            "same": [part.title for part in parts if part.is_same],
            "with_code": with_code,
        }
    return render(request, "services/compare.html", context, title=f"Compare {right}")


def _before(version: Version, choices: list[str], versions: VersionQuerySet) -> str:
    """The version published before this one, or else any other; empty when it is the only one."""
    earlier = versions.filter(created_at__lt=version.created_at)
    before = earlier.values_list("version", flat=True).first()
    return before or (choices[0] if choices else "")
