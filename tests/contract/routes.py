"""Everything that the URL configuration serves."""

import inspect
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.contract.document import nameless

CONSOLE = "/console/"
# Beside the REST API: pages, the document itself, and what Prometheus reads.
BESIDE = {"/", "/console", "/openapi.json", "/docs", "/metrics"}


def api_routes() -> set[tuple[str, str]]:
    """The method and path of every operation of the REST API."""
    return {
        (method, path)
        for path, pattern in _walk()
        if path not in BESIDE and not path.startswith(CONSOLE)
        for method in _methods(pattern)
    }


def routes_beside() -> set[str]:
    """The paths of what is served beside the REST API and the console."""
    served = {path for path, _ in _walk() if not path.startswith(CONSOLE)}
    return served & BESIDE


def console_routes() -> dict[str, URLPattern]:
    """The pages of the console by their paths below it."""
    return {
        path.removeprefix(CONSOLE): pattern for path, pattern in _walk() if path.startswith(CONSOLE)
    }


def _walk(patterns: Any = None, before: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = nameless(before + str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern


def _methods(pattern: URLPattern) -> Iterator[str]:
    view = getattr(pattern.callback, "cls", None)
    for method in view.http_method_names if inspect.isclass(view) else ["get"]:
        if view is None or (hasattr(view, method) and method != "options"):
            yield method.upper()
