"""What the scripts of the Publish page send and get: JSON both ways."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from mlops.errors import InvalidRequest, MlopsError
from services.drafts.words import problem_of

View = Callable[..., HttpResponseBase]


def saying_problems(view: View) -> View:
    """The view, whose refusals are JSON: a `problem`, see `problem_of`."""

    @wraps(view)
    def saying(request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **named)
        except MlopsError as error:
            return JsonResponse({"problem": problem_of(error)}, status=error.status)

    return saying


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body; raises InvalidRequest."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


def draft_in(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The revision that was changed, and the new content; raises InvalidRequest."""
    revision, content = body.get("revision"), body.get("content")
    if not isinstance(revision, int) or not isinstance(content, dict):
        raise InvalidRequest("A draft has a revision and a content.")
    return revision, content
