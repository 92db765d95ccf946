"""Who did what: a line for each login, request and response (administration section 12).

Written at the log level Information only, for the calls of the REST API, refused ones included. A
line names the path without its query, and never a token, a password or an input.
"""

import json
import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, parse_cookie

from mlops.accounts import serving, token_cache
from mlops.accounts.session_store import SessionStore
from mlops.correlation import current_id
from mlops.errors import MlopsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("mlops.actions")

_API = re.compile(
    r"/(login|apikeys|serviceaccounts|services|realtime-services|api|sessions|snapshots|status"
    r"|computenodes|grants|audit)(/|$)"
)
_TOKEN_IN_PATH = re.compile(r"(/login/refreshToken/).+", re.IGNORECASE | re.DOTALL)
_NO_ANSWER = 499  # what web servers note for a client that went away before it was answered


@dataclass(slots=True)
class _Call:
    """One request to the API; None where nothing is known."""

    name: str
    address: str | None
    username: str | None = None
    login_session_id: str | None = None

    def write(self, operation: str, **more: int | str | None) -> None:
        """Write a line. JSON escapes line breaks and quotes, wherever they come from."""
        subject = {
            "Operation": operation,
            "UserPrincipalName": self.username,
            "RemoteIpAddress": self.address,
            **more,
        }
        line = {"CorrelationId": current_id() or None, "Subject": subject}
        logger.info("%s", json.dumps(line, separators=(",", ":")))


_current: ContextVar[_Call | None] = ContextVar("api_call", default=None)


class ActionLog:
    """Writes the lines of each request to the API that is handed to `app`, and of its answer."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one ASGI connection."""
        is_on = logger.isEnabledFor(logging.INFO)
        if not is_on or scope["type"] != "http" or not _API.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        path = _TOKEN_IN_PATH.sub(r"\1***", scope["path"])
        call = _Call(name=f"{scope['method']} {path}", address=client[0] if client else None)
        await _identify(call, scope)
        call.write(f"REQUEST {call.name}", LoginSessionId=call.login_session_id)
        status = _NO_ANSWER

        async def noting_send(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = _current.set(call)
        try:
            await self._app(scope, receive, noting_send)
        finally:
            _current.reset(token)
            call.write(f"RESPONSE {call.name}", StatusCode=status)


def note_login(username: str, login_session_id: str) -> None:
    """The request that is being served has signed this user in."""
    call = _current.get()
    if call is not None:
        call.username = username
        call.write("Login", LoginSessionId=login_session_id)


def note_user(username: str) -> None:
    """The request that is being served turned out to be this user's."""
    call = _current.get()
    if call is not None:
        call.username = username


def note_work(operation: str, username: str, **more: str | None) -> None:
    """Something ran for this user that is no call of the API, such as a test run by a worker."""
    call = _Call(name=operation, address=serving.origin() or None, username=username)
    call.write(operation, LoginSessionId=serving.login_session_id() or None, **more)


async def _identify(call: _Call, scope: "Scope") -> None:
    """Find out who calls; that it cannot be found out is for the layers below to answer."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    session_key = parse_cookie(headers.get(b"cookie", "")).get(settings.SESSION_COOKIE_NAME)
    try:
        if scheme.lower() == "bearer":
            caller = await token_cache.caller_of(token.strip())
            call.username, call.login_session_id = caller.username, caller.login_session_id
        elif session_key:
            call.username, call.login_session_id = await sync_to_async(_of_browser)(session_key)
    except (MlopsError, DatabaseError):
        pass


def _of_browser(session_key: str) -> tuple[str | None, str | None]:
    """The name of the user who signed in to the console, and the login (database thread)."""
    close_old_connections()
    request = HttpRequest()
    request.session = SessionStore(session_key)
    username = get_user(request).get_username() or None
    return username, serving.of_browser(request.session) or None if username else None
