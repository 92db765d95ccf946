"""Files sent as multipart forms, read piece by piece as they are passed on.

Django's own handling would write each to a second temporary file, and change its name.
"""

from collections.abc import Iterator
from typing import Any, cast

from django.http.multipartparser import (
    FILE,
    ChunkIter,
    LazyStream,
    MultiPartParserError,
    Parser,
)
from django.http.request import HttpRequest
from django.utils.http import parse_header_parameters
from rest_framework.request import Request

from mlops.errors import InvalidRequest

_PART = "file"


def uploaded_file(request: Request) -> tuple[str, Iterator[bytes]]:
    """The file name of the part `file`, as it was sent, and the file's bytes.

    Raises InvalidRequest when there is no such part, also while the bytes are read: when they end
    before the part does. What follows the part is not looked at.
    """
    body = LazyStream(ChunkIter(_rewound(request._request)))
    try:
        for kind, headers, content in Parser(body, _boundary(request)):
            _, parameters = headers.get("content-disposition", ("", {}))
            if kind == FILE and parameters.get("name") == _PART.encode():
                return cast(bytes, parameters["filename"]).decode(), _whole(content, body)
    except (MultiPartParserError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The form cannot be read: {error}", fields=_PART) from None
    raise InvalidRequest(
        f"The form has no part of the name {_PART} that has a file name.", fields=_PART
    )


def _boundary(request: Request) -> bytes:
    media_type, parameters = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    boundary = parameters.get("boundary", "")
    if media_type != "multipart/form-data" or not boundary or not boundary.isascii():
        raise InvalidRequest("Send the file as multipart/form-data with a boundary.", fields=_PART)
    return boundary.encode()


def _rewound(request: HttpRequest) -> Any:
    """The body from its start: the CSRF check of a browser's session looks for a form field."""
    stream = request._stream
    if stream.seekable():
        stream.seek(0)
        return stream
    return request


def _whole(content: LazyStream, body: LazyStream) -> Iterator[bytes]:
    yield from content
    if not body.read(2):  # what follows a boundary
        raise InvalidRequest("The form ends in the middle of the file.", fields=_PART)
