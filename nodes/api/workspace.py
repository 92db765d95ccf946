"""The objects in a session's workspace (wire-api section 4)."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.representation import NODE_ERRORS, caller, error_responses
from mlops.streaming import streamed
from nodes.api.streaming import NoParser, body_chunks
from nodes.session_objects import delete_object, get_object, list_objects, put_object

_TAGS = ["Sessions"]
_BINARY = "application/octet-stream"
_DONE = OpenApiResponse(description="Done; no body.")


class Workspace(APIView):
    """/sessions/{id}/workspace."""

    @extend_schema(
        operation_id="listWorkspace",
        tags=_TAGS,
        responses={
            200: {"type": "array", "items": {"type": "string"}},
            **error_responses(404, 410, *NODE_ERRORS),
        },
    )
    def get(self, request: Request, session_id: str) -> Response:
        """The names of the user's objects."""
        return Response(list_objects(user=caller(request), session_id=session_id))


class WorkspaceObject(APIView):
    """/sessions/{id}/workspace/{objectName}."""

    parser_classes = (NoParser,)

    @extend_schema(
        operation_id="createWorkspaceObject",
        tags=_TAGS,
        request={_BINARY: OpenApiTypes.BINARY},
        responses={200: _DONE, **error_responses(400, 404, 410, 413, *NODE_ERRORS)},
    )
    def post(self, request: Request, session_id: str, object_name: str) -> Response:
        """Bind an object to a name: dill bytes for Python, RData for R."""
        put_object(
            user=caller(request),
            session_id=session_id,
            name=object_name,
            chunks=body_chunks(request),
        )
        return Response()

    @extend_schema(
        operation_id="getWorkspaceObject",
        tags=_TAGS,
        responses={
            (200, _BINARY): OpenApiTypes.BINARY,
            **error_responses(400, 404, 410, *NODE_ERRORS),
        },
    )
    def get(self, request: Request, session_id: str, object_name: str) -> StreamingHttpResponse:
        """The object: dill bytes from Python, RData from R."""
        stream = get_object(user=caller(request), session_id=session_id, name=object_name)
        return streamed(
            request, stream, content_type=_BINARY, length=stream.header("content-length")
        )

    @extend_schema(
        operation_id="deleteWorkspaceObject",
        tags=_TAGS,
        responses={200: _DONE, **error_responses(400, 404, 410, *NODE_ERRORS)},
    )
    def delete(self, request: Request, session_id: str, object_name: str) -> Response:
        """Remove the object."""
        delete_object(user=caller(request), session_id=session_id, name=object_name)
        return Response()
