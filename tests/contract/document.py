"""Our own OpenAPI document, as /openapi.json serves it."""

import functools
import json
import re
import threading
from typing import Any

from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "put", "post", "delete", "patch")


_generating = threading.Lock()  # the generator serves one thread at a time


def document() -> Any:
    """The whole document; nobody may change it."""
    with _generating:
        return _document()


@functools.cache
def _document() -> Any:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return json.loads(json.dumps(generator.get_schema(request=None, public=True)))


@functools.cache
def operations() -> dict[tuple[str, str], Any]:
    """Each operation by its method and its path, see `nameless`."""
    return {
        (method.upper(), nameless(path)): item[method]
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    }


@functools.cache
def resolved(schema: str) -> Any:
    """A component schema by its reference."""
    return document()["components"]["schemas"][schema.rpartition("/")[2]]


def nameless(path: str) -> str:
    """A path whose parameters have no names: those are no part of the contract.

    Takes the paths of OpenAPI (`{name}`) and those of Django (`<str:name>`).
    """
    return re.sub(r"\{[^}]*\}|<[^>]*>", "{}", path)
