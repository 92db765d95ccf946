"""The session calls (wire-api section 4)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.representation import NODE_ERRORS, Text, caller, error_responses
from mlops.rest import CaseInsensitiveSerializer
from nodes.models import Runtime, Session
from nodes.sessions import close_session, open_session

_TAGS = ["Sessions"]
_CLOSED = OpenApiResponse(OpenApiTypes.STR, description="What was done.")


class CreateSessionRequest(CaseInsensitiveSerializer):
    """The body of `POST /sessions`; all members may be absent or null."""

    name = Text(required=False, allow_null=True, max_length=255)
    snapshotId = Text(required=False, allow_null=True)  # noqa: N815 - the contract's spelling
    runtimeType = serializers.ChoiceField(  # noqa: N815
        Runtime.choices, required=False, allow_null=True, help_text="R when absent."
    )


class CreateSessionResponse(serializers.Serializer[Any]):
    """The id under which the session is called."""

    sessionId = serializers.UUIDField(source="pk")  # noqa: N815


class SessionSummary(serializers.Serializer[Any]):
    """A session of the caller."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    runtimeType = serializers.CharField(source="runtime")  # noqa: N815


class Sessions(APIView):
    """/sessions."""

    audits = {"POST": "open session"}

    @extend_schema(
        operation_id="createSession",
        tags=_TAGS,
        request={"application/json": CreateSessionRequest},
        responses={201: CreateSessionResponse, **error_responses(400, 404, 413, *NODE_ERRORS)},
    )
    def post(self, request: Request) -> Response:
        """Lend a shell to the caller."""
        body = CreateSessionRequest.of(request)
        session = open_session(
            user=caller(request),
            runtime=body.validated_data.get("runtimeType") or Runtime.R.value,
            name=body.validated_data.get("name") or "",
            snapshot_id=body.validated_data.get("snapshotId") or None,
        )
        return Response(CreateSessionResponse(session).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="listSessions",
        tags=_TAGS,
        responses={200: SessionSummary(many=True), **error_responses()},
    )
    def get(self, request: Request) -> Response:
        """The caller's sessions, oldest first."""
        own = Session.objects.filter(owner=caller(request)).select_related("owner")
        return Response(SessionSummary(own.order_by("created_at"), many=True).data)


class SessionById(APIView):
    """/sessions/{id}."""

    audits = {"DELETE": "close session"}

    @extend_schema(
        operation_id="closeSession",
        tags=_TAGS,
        responses={200: _CLOSED, **error_responses(404, 410, *NODE_ERRORS)},
    )
    def delete(self, request: Request, session_id: str) -> Response:
        """Close the session; what it is running gets a while to end."""
        close_session(user=caller(request), session_id=session_id)
        return Response("The session is closed.")


class SessionForce(APIView):
    """/sessions/{id}/force."""

    audits = {"DELETE": "close session"}

    @extend_schema(
        operation_id="closeSessionForce",
        tags=_TAGS,
        responses={200: _CLOSED, **error_responses(404, 410, *NODE_ERRORS)},
    )
    def delete(self, request: Request, session_id: str) -> Response:
        """Kill what the session is running and close it."""
        close_session(user=caller(request), session_id=session_id, force=True)
        return Response("The session is closed.")
