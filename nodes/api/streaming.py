"""Bodies too large for memory, on their way in."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

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
