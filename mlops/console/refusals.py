"""Pages that say what went wrong, for everything below /console/."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mlops import rest
from mlops.console.site import is_of_script, site
from mlops.correlation import current_id
from mlops.errors import MlopsError
from mlops.last_resort import error_of

CONSOLE = "/console/"
_HEADINGS = {
    400: "That cannot be done",
    403: "You may not do that",
    404: "Not found",
    409: "Somebody was faster",
    413: "Too large",
    500: "Something went wrong",
    503: "Not now",
}


def is_of_console(request: HttpRequest) -> bool:
    """Whether the address is one of the console's."""
    return request.path.startswith(CONSOLE)


def answer_of(request: HttpRequest, error: MlopsError) -> HttpResponse:
    """What a browser gets for the error."""
    return refusal(request, error.status, error.message)


def refusal(
    request: HttpRequest, status: int, message: str, *, again: bool = False
) -> HttpResponse:
    """A page with this status and message, in the console's frame for who is signed in.

    With `again` it offers to load the page anew.
    """
    if is_of_script(request):
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    if not site.has_permission(request):
        return outside(request, status, message, again=again)
    context = site.each_context(request) | _context(status, message, again=again)
    return render(request, "console/refusal.html", context, status=status)


def outside(request: HttpRequest, status: int, message: str, *, again: bool = True) -> HttpResponse:
    """The page without the console's frame, which needs the database and somebody signed in."""
    if is_of_script(request):
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    context = _context(status, message, again=again)
    return render(request, "console/refusal_outside.html", context, status=status)


def _context(status: int, message: str, *, again: bool) -> dict[str, object]:
    return {
        "title": _HEADINGS.get(status, "That did not work"),
        "message": message,
        "again": again or status >= 500,
        "correlation_id": current_id() if status >= 500 else "",
    }


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's
    """What a browser gets whose form has no valid CSRF token (CSRF_FAILURE_VIEW)."""
    message = "This page was too old or not ours, so nothing was changed. Reload it and try again."
    response = refusal(request, 403, message, again=True)
    response["X-Csrf-Failed"] = "1"  # scripts get a new token and try again
    return response


# Of the URL configuration; callers of the API get the error object of the contract.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to a request that Django itself refuses."""
    if not is_of_console(request):
        return rest.bad_request(request, exception)
    return refusal(request, 400, "The request is malformed: go back and try again.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's
    """The answer to who may not see a page."""
    message = "Your role does not allow it. Ask an administrator if it should."
    return refusal(request, 403, message)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer for an address that leads nowhere."""
    if not is_of_console(request):
        return rest.not_found(request, exception)
    return refusal(request, 404, "There is nothing at this address, or no longer.")


def server_error(request: HttpRequest) -> HttpResponse:
    """The answer to a fault of ours; the log has the details."""
    if not is_of_console(request):
        return rest.server_error(request)
    # Django calls this while it handles the fault.
    fault = sys.exception()
    error = error_of(fault) if fault else None
    if error is not None:
        response = outside(request, error.status, error.message)
        response["Retry-After"] = "1"
        return response
    return outside(request, 500, "The server failed; nothing is known to be wrong with your input.")
