"""/console/search/: what the command palette shows while somebody types."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse

from mlops.console.commands import found
from mlops.console.pages import page


@page("search/", name="search")
def search(request: HttpRequest) -> HttpResponse:
    """The results by kind, for the script of the palette."""
    results = found(request, request.GET.get("s", ""))
    kinds = [
        {"kind": kind, "results": [asdict(each) for each in some]} for kind, some in results.items()
    ]
    return JsonResponse({"kinds": kinds})
