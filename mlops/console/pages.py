"""Purpose-built pages of the console, beside the lists.

A page is a view with the decorator `page`; it is there as soon as its module is imported, which the
`admin` modules of the apps do.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from mlops.accounts.models import User
from mlops.accounts.roles import Role, require_role
from mlops.accounts.token_cache import Caller
from mlops.console.refusals import answer_of
from mlops.console.site import site
from mlops.errors import MlopsError

View = Callable[..., HttpResponseBase]
NeededRole = Role | Callable[[], Role]

_SAFE = ("GET", "HEAD")


def page(
    address: str,
    *,
    name: str,
    role: NeededRole = Role.READER,
    posts: NeededRole | None = None,
    around: Callable[[View], View] | None = None,
) -> Callable[[View], View]:
    """Serve the view at `address` below /console/, for who has at least `role`; with CSRF checks.

    What changes something is for `posts`; without that the page can only be looked at. The route
    is called `console:<name>`. An MlopsError that the view raises becomes a page, or bare text
    where a script of a page asked, with the status of the error. `around` wraps the whole, checks
    included.
    """

    def register(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
            needed = role if request.method in _SAFE else posts
            if needed is None:
                return HttpResponseNotAllowed(_SAFE)
            try:
                require_role(user_of(request), needed if isinstance(needed, Role) else needed())
                return view(request, *args, **named)
            except MlopsError as error:
                return answer_of(request, error)

        if inspect.iscoroutinefunction(view):
            raise TypeError("Pages are synchronous views.")
        site.add_page(address, guarded, name=name, around=around)
        return guarded

    return register


def render(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    title: str,
    subtitle: str = "",
    status: int = 200,
) -> TemplateResponse:
    """The page made of `template`, which extends `console/page.html`."""
    whole = {
        **site.each_context(request),
        "title": title,
        "subtitle": subtitle,
        **(context or {}),
    }
    request.current_app = site.name
    return TemplateResponse(request, template, whole, status=status)


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page only."""
    return "HX-Request" in request.headers


def user_of(request: HttpRequest) -> User:
    """Who looks: the site lets nobody in but users with a role."""
    return cast(User, request.user)


def caller_of(request: HttpRequest) -> Caller:
    """Who looks, as the permissions of services know them."""
    return Caller.of(user_of(request))


@page("signed-in/", name="signed_in")
def signed_in(request: HttpRequest) -> HttpResponseBase:
    """Where a tab ends up in which somebody has signed in again for the sake of another one."""
    return render(request, "console/signed_in.html", title="Signed in")
