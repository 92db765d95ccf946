"""The snapshot calls (wire-api sections 4 and 5)."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.blobs import storage
from mlops.representation import NODE_ERRORS, Text, caller, error_responses, wire_time
from mlops.rest import CaseInsensitiveSerializer
from mlops.streaming import streamed
from nodes.api.hanging_up import hang_up_of
from nodes.holding import own_session
from nodes.models import Snapshot
from nodes.snapshots import create_snapshot, delete_snapshot, load_snapshot, own_snapshot

_TAGS = ["Snapshots"]
_ZIP = "application/zip"


class CreateSnapshotRequest(CaseInsensitiveSerializer):
    """The body of `POST /sessions/{id}/snapshot`; the name may be absent or null."""

    name = Text(required=False, allow_null=True, max_length=255)


class CreateSnapshotResponse(serializers.Serializer[Any]):
    """The id under which the snapshot is called."""

    snapshotId = serializers.UUIDField(source="pk")  # noqa: N815 - the contract's spelling


class SnapshotSummary(serializers.Serializer[Any]):
    """A snapshot of the caller."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    creationTime = serializers.SerializerMethodField(  # noqa: N815
        help_text="ISO 8601 without zone, UTC."
    )
    contentSize = serializers.IntegerField(source="blob.size", help_text="bytes")  # noqa: N815

    def get_creationTime(self, snapshot: Snapshot) -> str:  # noqa: N802 - DRF looks it up by name
        """The moment it was saved."""
        return wire_time(snapshot.created_at)


class SessionSnapshot(APIView):
    """/sessions/{id}/snapshot."""

    audits = {"POST": "create snapshot"}

    @extend_schema(
        operation_id="createSnapshot",
        tags=_TAGS,
        request={"application/json": CreateSnapshotRequest},
        responses={
            201: CreateSnapshotResponse,
            **error_responses(400, 404, 410, 413, *NODE_ERRORS),
        },
    )
    def post(self, request: Request, session_id: str) -> Response:
        """Save the session's objects and files."""
        own_session(user=caller(request), session_id=session_id)
        body = CreateSnapshotRequest.of(request)
        snapshot = create_snapshot(
            user=caller(request),
            session_id=session_id,
            name=body.validated_data.get("name") or "",
            hang_up=hang_up_of(request),
        )
        return Response(CreateSnapshotResponse(snapshot).data, status=status.HTTP_201_CREATED)


class SessionLoadSnapshot(APIView):
    """/sessions/{id}/loadsnapshot/{snapshotId}."""

    audits = {"POST": "load snapshot"}

    @extend_schema(
        operation_id="loadSnapshot",
        tags=_TAGS,
        request=None,
        responses={
            200: OpenApiResponse(description="Done; no body."),
            **error_responses(400, 404, 410, 413, *NODE_ERRORS),
        },
    )
    def post(self, request: Request, session_id: str, snapshot_id: str) -> Response:
        """Merge a snapshot into the session; same-named objects and files are overwritten."""
        load_snapshot(user=caller(request), session_id=session_id, snapshot_id=snapshot_id)
        return Response()


class Snapshots(APIView):
    """/snapshots."""

    @extend_schema(
        operation_id="listSnapshots",
        tags=_TAGS,
        responses={200: SnapshotSummary(many=True), **error_responses()},
    )
    def get(self, request: Request) -> Response:
        """The caller's snapshots, oldest first."""
        own = Snapshot.objects.filter(owner=caller(request)).select_related("owner", "blob")
        return Response(SnapshotSummary(own.order_by("created_at"), many=True).data)


class SnapshotById(APIView):
    """/snapshots/{id}."""

    audits = {"DELETE": "delete snapshot"}

    @extend_schema(
        operation_id="getSnapshot",
        tags=_TAGS,
        responses={(200, _ZIP): OpenApiTypes.BINARY, **error_responses(404)},
    )
    def get(self, request: Request, snapshot_id: str) -> StreamingHttpResponse:
        """The snapshot as a zip of the session's files and workspace."""
        blob = own_snapshot(user=caller(request), snapshot_id=snapshot_id).blob
        return streamed(request, storage.read(blob), content_type=_ZIP, length=str(blob.size))

    @extend_schema(
        operation_id="deleteSnapshot",
        tags=_TAGS,
        responses={
            200: OpenApiResponse(OpenApiTypes.STR, description="What was done."),
            **error_responses(404),
        },
    )
    def delete(self, request: Request, snapshot_id: str) -> Response:
        """Remove the snapshot; services published from it are unaffected."""
        delete_snapshot(user=caller(request), snapshot_id=snapshot_id)
        return Response("The snapshot is deleted.")
