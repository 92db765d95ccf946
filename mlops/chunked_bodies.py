"""Bodies sent in chunks, without their length announced."""

import os
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

_Sync = Callable[[HttpRequest], HttpResponseBase]
_Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def chunked_bodies(get_response: _Sync | _Async) -> _Sync | _Async:
    """Announce the length of a body that came in chunks: DRF takes it for empty otherwise."""
    if iscoroutinefunction(get_response):
        answer_async = cast(_Async, get_response)

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            _announce_length(request)
            return await answer_async(request)

        return middleware
    answer = cast(_Sync, get_response)

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        _announce_length(request)
        return answer(request)

    return sync_middleware


def _announce_length(request: HttpRequest) -> None:
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        stream = request._stream  # received whole by now, in a file
        request.META["CONTENT_LENGTH"] = str(stream.seek(0, os.SEEK_END))
        stream.seek(0)
