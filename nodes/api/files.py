"""The files in a session's working directory (wire-api section 4)."""

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.representation import NODE_ERRORS, caller, error_responses
from mlops.streaming import streamed
from nodes.api.streaming import NoParser
from nodes.api.uploads import uploaded_file
from nodes.holding import own_session
from nodes.session_files import delete_file, get_file, list_files, put_file

_TAGS = ["Sessions"]
_BINARY = "application/octet-stream"


class SessionFiles(APIView):
    """/sessions/{id}/files."""

    parser_classes = (NoParser,)

    @extend_schema(
        operation_id="listSessionFiles",
        tags=_TAGS,
        responses={
            200: {"type": "array", "items": {"type": "string"}},
            **error_responses(404, 410, *NODE_ERRORS),
        },
    )
    def get(self, request: Request, session_id: str) -> Response:
        """The names of the files, with `/` between folders."""
        return Response(list_files(user=caller(request), session_id=session_id))

    @extend_schema(
        operation_id="uploadSessionFile",
        tags=_TAGS,
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
        responses={
            201: OpenApiResponse(description="Stored; an empty text."),
            **error_responses(400, 404, 410, 413, *NODE_ERRORS),
        },
    )
    def post(self, request: Request, session_id: str) -> HttpResponse:
        """Store the form's part `file` under its file name, in place of a former one."""
        own_session(user=caller(request), session_id=session_id)
        name, chunks = uploaded_file(request)
        put_file(user=caller(request), session_id=session_id, name=name, chunks=chunks)
        return HttpResponse(status=status.HTTP_201_CREATED, content_type="text/plain")


class SessionFile(APIView):
    """/sessions/{id}/files/{fileName}."""

    @extend_schema(
        operation_id="getSessionFile",
        tags=_TAGS,
        responses={
            (200, _BINARY): OpenApiTypes.BINARY,
            **error_responses(400, 404, 410, *NODE_ERRORS),
        },
    )
    def get(self, request: Request, session_id: str, file_name: str) -> StreamingHttpResponse:
        """The file's bytes."""
        stream = get_file(user=caller(request), session_id=session_id, name=file_name)
        return streamed(
            request, stream, content_type=_BINARY, length=stream.header("content-length")
        )

    @extend_schema(
        operation_id="deleteSessionFile",
        tags=_TAGS,
        responses={
            200: OpenApiResponse(description="Done; no body."),
            **error_responses(400, 404, 410, *NODE_ERRORS),
        },
    )
    def delete(self, request: Request, session_id: str, file_name: str) -> Response:
        """Remove the file."""
        delete_file(user=caller(request), session_id=session_id, name=file_name)
        return Response()
