"""Bodies too large for memory, in and out."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

_CHUNK_BYTES = 256 * 1024


class NoParser(BaseParser):
    """Accepts every content type and parses none: the view reads the body itself."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],  # noqa: ARG002 - the signature is DRF's
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing, with the body left where it is.

        Only the CSRF check asks, which looks for a form field before it looks for the header.
        """
        return {}


def body_chunks(request: Request) -> Iterator[bytes]:
    """The request's body piece by piece; do not touch `request.data` besides."""
    while chunk := request._request.read(_CHUNK_BYTES):
        yield chunk


def streamed(
    request: Request, chunks: Iterator[bytes], *, content_type: str, length: str = ""
) -> StreamingHttpResponse:
    """A response of `chunks`, each taken only when the client has room for it.

    `length`, where known, becomes the Content-Length.
    """
    is_async = isinstance(request._request, ASGIRequest)
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
