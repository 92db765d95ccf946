"""Bodies too large for memory, on their way out."""

from collections.abc import Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.request import Request


def streamed(
    request: HttpRequest | Request, chunks: Iterator[bytes], *, content_type: str, length: str = ""
) -> StreamingHttpResponse:
    """A response of `chunks`, each taken only when the client has room for it.

    `length`, where known, becomes the Content-Length.
    """
    is_async = isinstance(getattr(request, "_request", request), ASGIRequest)
    response = StreamingHttpResponse(
        _AsyncChunks(chunks) if is_async else chunks, content_type=content_type
    )
    if length:
        response["Content-Length"] = length
    return response


class _AsyncChunks:
    """Chunks taken in the request's own thread, where its database connection is."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> "_AsyncChunks":
        return self

    async def __anext__(self) -> bytes:
        chunk = await sync_to_async(self._next)()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def _next(self) -> bytes | None:
        return next(self._chunks, None)

    def close(self) -> None:
        """Called by Django at the end of the response, however it ends."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
