"""Pages of other origins that may call the API from a browser (wire-api section 17).

Nothing of a browser is sent along by itself, such as cookies: every call carries its token.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from starlette.middleware.cors import CORSMiddleware

from mlops.correlation import HEADER

if TYPE_CHECKING:
    from starlette.types import ASGIApp

ANY_ORIGIN = "*"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_HEADERS = ["Authorization", "Content-Type", "Accept"]
_ORIGIN = re.compile(r"https?://[^/?#@*\s]+")


def checked_origins(origins: list[str]) -> list[str]:
    """The origins as they are; raises ImproperlyConfigured for one that no browser would send."""
    for origin in origins:
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"MLOPS_CORS_ORIGINS: {origin!r} is no origin. Write it as https://HOST or"
                " https://HOST:PORT, without a path or a slash at the end, or * for all."
            )
    return origins


def with_cors(app: "ASGIApp", origins: Collection[str]) -> "ASGIApp":
    """`app`, callable from pages of `origins`; `app` itself when there are none."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_HEADERS,
        expose_headers=[HEADER],
    )
