"""The request that is being served, and the login that it belongs to.

A login is known by its LoginSessionId, which all tokens that descend from one sign-in share, and
all requests of one browser session.
"""

import os
import pwd
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

_Sync = Callable[[HttpRequest], HttpResponseBase]
_Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

KEY = "login_session_id"  # of a request, and the key in a browser session
_current: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_behalf: ContextVar[tuple[str, str] | None] = ContextVar("behalf", default=None)


@sync_and_async_middleware
def serving(get_response: _Sync | _Async) -> _Sync | _Async:
    """Have what runs for the request know it. Hot scoring calls never come here."""
    if iscoroutinefunction(get_response):
        answer_async = cast(_Async, get_response)

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            token = _current.set(request)
            try:
                return await answer_async(request)
            finally:
                _current.reset(token)

        return middleware
    answer = cast(_Sync, get_response)

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        token = _current.set(request)
        try:
            return answer(request)
        finally:
            _current.reset(token)

    return sync_middleware


@contextmanager
def on_behalf_of(address: str, login_session_id: str) -> Iterator[None]:
    """What runs in the context runs for a request from this address, which has been answered."""
    token = _behalf.set((address, login_session_id))
    try:
        yield
    finally:
        _behalf.reset(token)


def origin() -> str:
    """The address that the request came from; outside of requests who runs the program."""
    if behalf := _behalf.get():
        return behalf[0]
    request = _current.get()
    return operator() if request is None else request.META.get("REMOTE_ADDR") or ""


def operator() -> str:
    """The account of the operating system that runs this program, as in `os:root`."""
    uid = os.geteuid()
    try:
        return f"os:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"os:{uid}"


def login_session_id() -> str:
    """The login behind the request; "" when there is none, or no request."""
    if behalf := _behalf.get():
        return behalf[1]
    request = _current.get()
    if request is None:
        return ""
    return getattr(request, KEY, "") or of_browser(request.session)


def of_browser(session: SessionBase) -> str:
    """The login of a browser session; "" before its sign-in."""
    return str(session.get(KEY, ""))


def keep_in(session: SessionBase) -> None:
    """Make the browser session one of the login that the request has begun."""
    session[KEY] = begin_login()


def note_login_session(login_session_id: str) -> None:
    """The request showed a token of this login."""
    if (request := _current.get()) is not None:
        setattr(request, KEY, login_session_id)


def begin_login() -> str:
    """The LoginSessionId of the sign-in that is going on; the same one throughout a request."""
    begun = getattr(_current.get(), KEY, "")
    if not begun:
        begun = secrets.token_hex(64).upper()
        note_login_session(begun)
    return begun
