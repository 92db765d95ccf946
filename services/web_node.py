"""Calling a web node from outside, as its users do: for diagnostics and capacity evaluation."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, urlsplit

from django.conf import settings

from mlops.accounts import tokens
from mlops.accounts.models import User
from mlops.errors import InvalidRequest, MlopsError
from mlops.onebox.claims import local_url
from nodes import hop, trust
from nodes.connection import Response

_CONNECT_SECONDS = 5


@dataclass(frozen=True)
class WebNode:
    """A web node's address, and a bearer token or API key of an Owner."""

    url: str
    token: str = ""

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        if urlsplit(self.url).scheme != "https":
            return None
        if self.url == own_url():  # this machine's own, by an address that is in no certificate
            return trust.of_probe()
        return ssl.create_default_context()

    async def get(self, path: str, *, seconds: float) -> Response:
        """The answer to GET; raises MlopsError when there is none."""
        return await self._request("GET", path, None, "", seconds)

    async def score(
        self, name: str, version: str, body: bytes, *, timing: str, seconds: float
    ) -> tuple[Response, float]:
        """The answer to a call, and the milliseconds until it was there."""
        path = f"/api/{quote(name, safe='')}/{quote(version, safe='')}"
        began = time.perf_counter()
        response = await self._request("POST", path, body, timing, seconds)
        return response, (time.perf_counter() - began) * 1000

    async def _request(
        self, method: str, path: str, body: bytes | None, timing: str, seconds: float
    ) -> Response:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        if timing:
            headers["X-Timing"] = timing
        try:
            return await hop.request(
                method,
                self.url + path,
                headers=headers,
                body=body,
                deadline_seconds=seconds,
                connect_seconds=_CONNECT_SECONDS,
                ssl_context=self._tls,
            )
        except MlopsError as error:
            message = error.message.replace("Compute node", "The web node", 1)
            raise type(error)(message) from None
        except ValueError:
            raise InvalidRequest(f"{self.url} is no address of a web node.") from None


def own_url() -> str:
    """Where the web node is that workers and commands of this machine call."""
    is_tls = settings.TLS_WEB_CERTIFICATE is not None
    return settings.WEB_URL or local_url(settings.HOST, settings.WEB_PORT, is_tls=is_tls)


@contextmanager
def signed_in(user: User, *, endpoint: str = "", token: str = "") -> Iterator[WebNode]:
    """The web node at `endpoint`, or this machine's, with `token`, or one of `user`'s own that is
    good for the time of the context only."""
    url = (endpoint or own_url()).rstrip("/")
    if token:
        yield WebNode(url, token)
        return
    pair = tokens.issue(user)
    try:
        yield WebNode(url, pair.access_token)
    finally:
        tokens.revoke(pair.refresh_token)
