"""The dedicated pool of a version on its page: how far it is on each node, and its sizes."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, is_fragment, page, user_of
from mlops.errors import InvalidRequest
from services.actions.configure_pool import configure_pool
from services.actions.delete_pool import delete_pool
from services.console import finding
from services.console.version_page import PoolForm, render_version
from services.pools.status import pool_status


@page("service/<str:name>/<str:version>/pool/", name="version_pool", posts=Role.CONTRIBUTOR)
def show_pool(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """How far the pool is, as a part of the page; a form gives it other sizes, or takes it away."""
    found = finding.found_version(caller_of(request), name, version)
    if request.method == "POST":
        return _change(request, name, version)
    if not is_fragment(request):
        return HttpResponseRedirect(f"{finding.address_of(found)}#pool")
    entries = pool_status(found)
    context = {
        "version": found,
        "entries": entries,
        "n_ready": sum(each.status == "Success" for each in entries),
        "is_going": not found.has_pool and any(each.status == "Pending" for each in entries),
    }
    response = render(request, "services/version/pool_status.html", context)
    if not found.has_pool and not context["is_going"]:
        response.headers["X-Live-Ended"] = "1"
    return response


def _change(request: HttpRequest, name: str, version: str) -> HttpResponse:
    user = user_of(request)
    initial, most = (request.POST.get(field, "") for field in ("initial_size", "max_size"))
    try:
        if "remove" in request.POST:
            changed = delete_pool(user=user, name=name, version=version)
            said = "The pool is being removed."
        else:
            changed = configure_pool(
                user=user,
                name=name,
                version=version,
                initial_size=_size(initial, "The shells to start with"),
                max_size=_size(most, "The most shells"),
            )
            said = "The pool is being built with these sizes."
    except InvalidRequest as error:
        found = finding.found_version(caller_of(request), name, version)
        form = PoolForm(initial, most, _in_words(error.message))
        return render_version(request, found, pool_form=form, status=error.status)
    messages.success(request, said)
    return HttpResponseRedirect(f"{finding.address_of(changed)}#pool")


def _size(text: str, what: str) -> int:
    if not text.strip().isdecimal() or len(text) > 9:
        raise InvalidRequest(f"{what} must be a whole number.")
    return int(text)


def _in_words(message: str) -> str:
    """The complaint in the words of the form."""
    return message.replace("InitialPoolSize", "The number to start with").replace(
        "MaxPoolSize", "the most"
    )
