"""Bodies that are too large are refused before anything is kept of them.

The outermost layer of the web node: a body beyond the limit of its address, announced or counted,
is answered with 413 and the connection closed. A body of more than a megabyte is taken from callers
with a role and a living access token only, so that strangers cannot fill the disk on which Django
spools.
"""

import asyncio
import json
import re
from typing import TYPE_CHECKING

from django.conf import settings

from mlops.accounts import token_cache
from mlops.accounts.roles import NO_ROLE
from mlops.errors import Forbidden, MlopsError, NotSignedIn, TooLarge
from mlops.last_resort import NOSNIFF

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANONYMOUS_BYTES = 1024**2
# Those of the console come in pieces of no more than what strangers may send.
_UPLOADS = re.compile(r"/(sessions/[^/]+/(workspace|files)|realtime-services|console/uploads)(/|$)")
_LINGER_SECONDS = 5  # in which the client may go on sending before the connection is closed


class BodyLimit:
    """Hands requests to `app` as long as their bodies are within the limit."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        n_announced = _announced(scope)
        if n_announced is not None and n_announced <= _small_bytes():
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive)
        try:
            await body.admit(n_announced or 0)
        except MlopsError as error:
            await _refuse(error, receive, send)
            return
        if n_announced is not None:  # the server sees to it that no more than that arrives
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def watched_send(message: "Message") -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        await self._app(scope, body.receive, watched_send)
        if body.refusal is not None and not is_answered:
            await _refuse(body.refusal, receive, send)


class _Body:
    """The body of one request, counted while it arrives."""

    def __init__(self, scope: "Scope", receive: "Receive") -> None:
        self._scope = scope
        self._receive = receive
        is_upload = _UPLOADS.match(scope["path"]) is not None
        self._limit = settings.MAX_UPLOAD_BYTES if is_upload else settings.MAX_JSON_BYTES
        self._n_received = 0
        self._n_admitted = min(ANONYMOUS_BYTES, self._limit)  # without asking who calls
        self.refusal: MlopsError | None = None

    async def admit(self, n_bytes: int) -> None:
        """Nothing if the caller may send a body of `n_bytes`.

        Raises TooLarge, NotSignedIn or Forbidden.
        """
        if n_bytes > self._limit:
            raise TooLarge(f"The body must not exceed {self._limit} bytes.")
        if n_bytes > self._n_admitted:
            caller = await token_cache.caller_of(_bearer_token(self._scope))
            if caller.role is None:
                raise Forbidden(NO_ROLE)
            self._n_admitted = self._limit

    async def receive(self) -> "Message":
        """The next message; for a body that grew too large, as if the client had gone."""
        message = await self._receive()
        self._n_received += len(message.get("body", b""))
        if self._n_received > self._n_admitted:
            try:
                await self.admit(self._n_received)
            except MlopsError as error:
                self.refusal = error
                return {"type": "http.disconnect"}
        return message


def _small_bytes() -> int:
    """Bodies up to this size are taken at every address and from everybody."""
    return min(ANONYMOUS_BYTES, settings.MAX_JSON_BYTES, settings.MAX_UPLOAD_BYTES)


def _announced(scope: "Scope") -> int | None:
    """How long the body will be; None when it comes in chunks."""
    length: int | None = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            return None
    return length


def _bearer_token(scope: "Scope") -> str:
    """The access token; raises NotSignedIn without one."""
    for name, value in scope["headers"]:
        scheme, _, token = value.partition(b" ")
        if name == b"authorization" and scheme.lower() == b"bearer":
            return str(token.strip().decode("latin-1"))
    raise NotSignedIn(f"A body of more than {ANONYMOUS_BYTES} bytes needs an access token.")


async def _refuse(error: MlopsError, receive: "Receive", send: "Send") -> None:
    """Answer with the error, then close the connection.

    Closing at once, with the client still sending, would reset the connection and take the answer
    along. So the answer is sent whole, and what arrives in the next seconds is thrown away.
    """
    body = json.dumps(error.body(), separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        NOSNIFF,
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    break
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
