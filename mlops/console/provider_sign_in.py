"""Signing in to the console at a provider: Entra ID or another OpenID provider.

The browser goes there and comes back to `finish`. It may be under way in several tabs; what each
has begun is kept in the session, by the `state` that the provider sends back, and serves once.
"""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from mlops.accounts import audit, break_glass, serving
from mlops.accounts.models import User
from mlops.accounts.roles import NO_ROLE, role_of
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.directory import remember
from mlops.accounts.sign_in.entra import browser
from mlops.accounts.sign_in.entra.browser import SignInFailed
from mlops.accounts.sign_in.entra.provider import provider
from mlops.errors import DirectoryUnavailable, Forbidden

FLOW_SECONDS = 900
# A browser that was signed in here is sent to the provider without being asked, for so long.
RETURNING_SECONDS = 12 * 3600
RETURNING_COOKIE = "mlops_provider"

_FLOWS = "provider_flows"
_MAX_FLOWS = 5  # tabs
_BACKEND = "mlops.accounts.sign_in.local.AccountBackend"

# What the sign-in page says; `{}` is the provider's name.
_PROBLEMS: dict[str, str] = {
    "denied": "You were not signed in, because you or an administrator declined at {}.",
    "refused": "{} refused the sign-in. The log of this server says why: tell its administrator.",
    "unavailable": "{} cannot be reached at the moment. That says nothing about your account: try"
    " again in a minute.",
    "stale": "This sign-in was begun elsewhere, is finished already or took too long. Start again.",
    "no-user": "{} does not say by which name you are known here: tell an administrator.",
    "name-taken": "The account of your name here is not yours: ask an administrator.",
    "no-role": NO_ROLE,
}


@never_cache
@require_GET
def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, from where it goes on to `next`."""
    _require_provider()
    then = _safe_next(request)
    try:
        flow = browser.begin(_redirect_uri(request), is_again="again" in request.GET)
    except DirectoryUnavailable:
        return _to_sign_in_page(then, "unavailable")
    flows = dict(request.session.get(_FLOWS, {}))
    for oldest in list(flows)[: max(0, len(flows) - _MAX_FLOWS + 1)]:
        del flows[oldest]
    flows[flow["state"]] = {"flow": flow, "next": then, "ends_at": time.time() + FLOW_SECONDS}
    request.session[_FLOWS] = flows
    if not request.user.is_authenticated:
        request.session.set_expiry(FLOW_SECONDS)
    return HttpResponseRedirect(flow["auth_uri"])


@never_cache
@require_GET
def finish(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider's answer names, and go on to where they wanted to go."""
    _require_provider()
    flows = dict(request.session.get(_FLOWS, {}))
    begun = flows.pop(request.GET.get("state", ""), None)
    if begun is None:
        return _to_sign_in_page("", "stale")
    request.session[_FLOWS] = flows
    try:
        user = _user(begun, request)
    except SignInFailed as failure:
        return _to_sign_in_page(begun["next"], failure.problem)
    login(request, user, backend=_BACKEND)
    request.session.pop(_FLOWS, None)
    # Where the directory cannot be asked again, the browser is: what it says counts for so long.
    lifetime = timedelta(seconds=settings.ROLE_CACHE_SECONDS)
    can_ask = provider().entra.can_ask_directory
    request.session.set_expiry(None if can_ask else timezone.now() + lifetime)
    response = HttpResponseRedirect(begun["next"] or reverse("console:index"))
    response.set_cookie(
        RETURNING_COOKIE,
        "1",
        max_age=RETURNING_SECONDS,
        path=reverse("console:index"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def straight_on(request: HttpRequest) -> HttpResponse | None:
    """The way to the provider for a browser whose session here has just run out; else None."""
    is_returning = request.method == "GET" and bool(request.COOKIES.get(RETURNING_COOKIE))
    if not is_returning or "problem" in request.GET or request.user.is_authenticated:
        return None
    return HttpResponseRedirect(_address("console:provider_sign_in", next=_safe_next(request)))


def forget(response: HttpResponse) -> HttpResponse:
    """The answer to a sign-out, after which nobody is sent to the provider without being asked."""
    response.delete_cookie(RETURNING_COOKIE, path=reverse("console:index"), samesite="Lax")
    return response


def page_context(request: HttpRequest) -> dict[str, Any]:
    """What the sign-in page needs to offer the provider."""
    label = provider().entra.label
    problem = _PROBLEMS.get(request.GET.get("problem", ""), "")
    again = {"again": "1"} if problem else {}
    return {
        "provider": label,
        "provider_address": _address("console:provider_sign_in", next=_safe_next(request), **again),
        "provider_problem": problem.format(label),
        "is_glass_broken": break_glass.broken_now() is not None,
    }


def _user(begun: dict[str, Any], request: HttpRequest) -> User:
    """The account of the user whom the provider names, who may come in; raises SignInFailed."""
    if begun["ends_at"] < time.time():
        raise SignInFailed("stale")
    entry = browser.finish(begun["flow"], request.GET.dict())
    try:
        user = remember(methods.ENTRA, entry)
    except Forbidden as error:
        _record_refusal(entry.username, error.message)
        raise SignInFailed("name-taken") from None
    if role_of(user) is None:
        _record_refusal(entry.username, NO_ROLE)
        raise SignInFailed("no-role")
    serving.begin_login()
    audit.record("sign in", user=user)
    return user


def _record_refusal(username: str, reason: str) -> None:
    audit.record("sign in", user=username, outcome=audit.REFUSED, reason=reason)


def _require_provider() -> None:
    if methods.of_people() != methods.ENTRA:
        raise Http404


def _redirect_uri(request: HttpRequest) -> str:
    path = reverse("console:provider_answer")
    base_url = provider().entra.base_url
    return f"{base_url}{path}" if base_url else request.build_absolute_uri(path)


def _safe_next(request: HttpRequest) -> str:
    """Where the browser wants to go on this site; empty when it is elsewhere."""
    then = request.GET.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(
        then, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return then if is_safe else ""


def _to_sign_in_page(then: str, problem: browser.Problem) -> HttpResponse:
    return HttpResponseRedirect(_address("console:login", next=then, problem=problem))


def _address(name: str, **query: str) -> str:
    given = {key: value for key, value in query.items() if value}
    return f"{reverse(name)}?{urlencode(given)}" if given else reverse(name)
