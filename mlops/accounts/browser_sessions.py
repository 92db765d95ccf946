"""How long browsers stay signed in: until they are idle, or for so long in all.

Django ends them with the account, its password, or a sign-out (sign_in/local.py).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from mlops.accounts.models import User

_View = Callable[[HttpRequest], HttpResponseBase]

_BEGUN = "begun_at"
_SEEN = "seen_at"
# Pages that keep themselves up to date say so: nobody may be looking at them.
LIVE_HEADER = "X-Live"
# A session is saved when it is used, so that it lasts, but not each time.
_SAVE_AFTER_SECONDS = 60


@receiver(user_logged_in)
def note_begin(request: HttpRequest, **kwargs: Any) -> None:  # noqa: ARG001 - a signal's signature
    """A session begins."""
    request.session[_BEGUN] = request.session[_SEEN] = int(time.time())


def of_user(user: User) -> Iterator[tuple[Session, dict[str, Any]]]:
    """The user's sessions, and what is kept in each; all are looked at, as no index names users."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        data = session.get_decoded()
        if data.get(SESSION_KEY) == str(user.pk):
            yield session, data


def times_of(session: Mapping[str, Any]) -> tuple[int, int]:
    """When a session began and was last seen, to the minute; Unix seconds."""
    began = session.get(_BEGUN, 0)
    return began, session.get(_SEEN, began)


def browser_sessions(get_response: _View) -> _View:
    """The middleware, between those for sessions and for users."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        # Others know nobody yet, such as those of a sign-in with a provider that is under way.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            now = int(time.time())
            if now - request.session.get(_BEGUN, 0) >= settings.BROWSER_SESSION_SECONDS:
                request.session.flush()
            elif (
                now - request.session.get(_SEEN, 0) >= _SAVE_AFTER_SECONDS
                and LIVE_HEADER not in request.headers
            ):
                request.session[_SEEN] = now
        return get_response(request)

    return middleware
