"""The sign-ins of an account on its page: which last, and ending them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from mlops.accounts import logins, serving
from mlops.accounts.console.doing import ask, confirmed
from mlops.accounts.models import User
from mlops.console.pages import user_of


def context(request: HttpRequest, account: User) -> dict[str, Any]:
    """What the list of sign-ins needs."""
    return {"logins": logins.logins_of(account), "own_login": serving.of_browser(request.session)}


def end(request: HttpRequest, account: User, *, back: str) -> HttpResponseBase:
    """End one; that of this browser leads to the sign-in page."""
    login = request.POST.get("login", "")
    is_own = login == serving.of_browser(request.session)
    logins.end_login(user=user_of(request), username=account.username, login_session_id=login)
    return _gone_on(request, back, "The sign-in has ended.", is_own=is_own)


def end_all(request: HttpRequest, account: User, *, back: str) -> HttpResponseBase:
    """Asks first: every client and browser of the account has to sign in again."""
    if not confirmed(request):
        found = logins.logins_of(account)
        n_browsers = sum(each.kind == logins.BROWSER for each in found)
        n_tokens = len(found) - n_browsers
        is_own = account.pk == user_of(request).pk
        return ask(
            request,
            question=f"End all sign-ins of {account.username}?",
            button="End all sign-ins",
            depends=[
                f"{n_tokens} of clients with tokens: their next call gets 401.",
                f"{n_browsers} of browsers{', this one too' if is_own else ''}.",
                "API keys stay as they are; revoke them one by one.",
            ],
            back=back,
        )
    logins.end_all_logins(user=user_of(request), username=account.username)
    is_own = account.pk == user_of(request).pk
    return _gone_on(request, back, f"{account.username} is signed out everywhere.", is_own=is_own)


def _gone_on(request: HttpRequest, back: str, message: str, *, is_own: bool) -> HttpResponseBase:
    if is_own:
        request.session.flush()  # its row is gone: saving it would fail
    else:
        messages.success(request, message)
    return HttpResponseRedirect(back)
