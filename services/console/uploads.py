"""Staged uploads for the scripts of the publish page: JSON in and out.

    POST   uploads/               {"name", "size"} -> {"id", "name", "size", "received",
                                  "pieceBytes"}
    GET    uploads/               -> {"uploads": [those of the user]}
    GET    uploads/<id>/          -> the same
    PUT    uploads/<id>/?offset=N the next piece as it is -> the same; 409 with them for a wrong one
    DELETE uploads/<id>/          -> {}

Errors are {"message": text} with their status. `services/uploads.js` is the client.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from mlops.accounts.roles import Role
from mlops.console.pages import page, user_of
from mlops.errors import InvalidRequest, MlopsError
from services import uploads
from services.models import Upload

_FIRST_BYTES = 16 * 1024


def _in_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view with its errors as JSON."""

    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        try:
            return view(request, *args, **named)
        except MlopsError as error:
            return JsonResponse({"message": error.message}, status=error.status)

    return answering


@page("uploads/", name="uploads", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
@_in_json
def begin(request: HttpRequest) -> HttpResponse:
    """The user's uploads; or a new one."""
    user = user_of(request)
    if request.method == "POST":
        name, size = _name_and_size(request)
        return _answer(uploads.begin_upload(user=user, name=name, size=size), status=201)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    own = Upload.objects.filter(owner=user).select_related("blob")
    return JsonResponse({"uploads": [_described(each) for each in own]})


@page("uploads/<uuid:upload_id>/", name="upload", role=Role.CONTRIBUTOR, posts=Role.CONTRIBUTOR)
@_in_json
def one(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """How much of an upload there is; its next piece; or its end."""
    user, found = user_of(request), str(upload_id)
    if request.method in ("PUT", "POST"):
        upload = uploads.own_upload(user=user, upload_id=found)
        if int(request.headers.get("Content-Length") or 0) > uploads.PIECE_BYTES:
            raise InvalidRequest(f"A piece may have {uploads.PIECE_BYTES} bytes.")
        try:
            upload = uploads.add_piece(
                user=user, upload_id=found, offset=_offset(request), piece=request.body
            )
        except uploads.WrongOffset as error:
            upload.refresh_from_db()
            return JsonResponse({**_described(upload), "message": error.message}, status=409)
        return _answer(upload)
    if request.method == "DELETE":
        uploads.delete_upload(user=user, upload_id=found)
        return JsonResponse({})
    return _answer(uploads.own_upload(user=user, upload_id=found))


def _answer(upload: Upload, *, status: int = 200) -> JsonResponse:
    return JsonResponse(_described(upload), status=status)


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "name": upload.name,
        "size": upload.size,
        "received": upload.received,
        "pieceBytes": uploads.PIECE_BYTES,
    }


def _name_and_size(request: HttpRequest) -> tuple[str, int]:
    try:
        said = json.loads(request.body[:_FIRST_BYTES])
        name, size = said["name"], said["size"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name, size = None, None
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
        raise InvalidRequest('Send {"name": text, "size": number of bytes}.')
    return name, size


def _offset(request: HttpRequest) -> int:
    text = request.GET.get("offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest("Say with ?offset= where the piece begins.")
    return int(text)
