"""Browser sessions of people whom a directory knows."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url

from mlops.accounts.models import User
from mlops.accounts.sign_in import refreshing
from mlops.console import refusals
from mlops.errors import DirectoryUnavailable


def up_to_date_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware: each request of a session acts with what the directory says of its user.

    The session ends when the directory no longer has them. Nothing but the sign-in page is answered
    when it has not been reached for too long.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
        if not has_session or not isinstance(request.user, User):
            return get_response(request)
        try:
            user = refreshing.up_to_date(request.user)
        except DirectoryUnavailable as error:
            if not request.path.startswith(resolve_url(settings.LOGIN_URL)):
                return _refusal(request, error)
            request.user = AnonymousUser()
            return get_response(request)
        if user is None:
            logout(request)
        else:
            request.user = user
        return get_response(request)

    return middleware


def _refusal(request: HttpRequest, error: DirectoryUnavailable) -> HttpResponse:
    """The error as a page, or as the error object for the API."""
    answer: HttpResponse = JsonResponse(error.body(), status=error.status)
    if refusals.is_of_console(request):
        answer = refusals.outside(request, error.status, error.message)
    answer.headers["Retry-After"] = "1"
    return answer
