"""The states of compute nodes, and taking them out of work (beside wire-api section 7)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsReader, MayChangeNodes
from mlops.representation import caller, error_responses
from nodes.api.compute_nodes import TAGS, Entries, entries_of
from nodes.draining import drain_nodes, resume_nodes
from nodes.overview import KnownNode, known_nodes

_STATES = ["unknown", "ready", "degraded", "draining", "down"]


class NodeStateSerializer(serializers.Serializer[KnownNode]):
    """One compute node."""

    uri = serializers.CharField(source="address")
    state = serializers.ChoiceField(source="state.name", choices=_STATES)
    reason = serializers.CharField(source="state.reason", help_text="Empty for a ready node.")
    since = serializers.DateTimeField(source="state.since", allow_null=True)
    note = serializers.CharField(help_text="Such as another version of the software.")
    drainedBy = serializers.CharField(  # noqa: N815 - the contract's spelling
        source="drained_by", allow_null=True, help_text="Null when it is not drained."
    )
    lastSeen = serializers.SerializerMethodField()  # noqa: N815
    version = serializers.SerializerMethodField()
    apiVersion = serializers.SerializerMethodField()  # noqa: N815
    isolation = serializers.SerializerMethodField()
    latency = serializers.SerializerMethodField()
    latencies = serializers.SerializerMethodField()
    processors = serializers.SerializerMethodField()
    calls = serializers.SerializerMethodField()
    sessions = serializers.SerializerMethodField()

    def get_lastSeen(self, node: KnownNode) -> str | None:  # noqa: N802
        """When it answered last."""
        seen = node.health.last_seen_at if node.health else None
        return seen.isoformat() if seen else None

    def get_version(self, node: KnownNode) -> str:
        """Of its software."""
        return node.health.version if node.health else ""

    def get_apiVersion(self, node: KnownNode) -> str:  # noqa: N802
        """Of the compute node API that it speaks."""
        return str(node.health.report.get("apiVersion", "")) if node.health else ""

    def get_isolation(self, node: KnownNode) -> str:
        """How it keeps shells apart: sandbox, user or process."""
        return node.health.isolation if node.health else ""

    def get_latency(self, node: KnownNode) -> float | None:
        """Milliseconds that it typically takes to answer a look."""
        return node.health.latency if node.health else None

    def get_latencies(self, node: KnownNode) -> list[float]:
        """The same of the last looks, oldest first."""
        return list(node.health.latencies) if node.health else []

    def get_processors(self, node: KnownNode) -> float | None:
        """How many it may use."""
        return node.health.capacity if node.health else None

    def get_calls(self, node: KnownNode) -> int:
        """Calls that ran or waited there when it answered last."""
        return node.health.n_calls if node.health else 0

    def get_sessions(self, node: KnownNode) -> int:
        """Sessions that it held when it answered last."""
        return node.health.n_sessions if node.health else 0


class NodeStates(serializers.Serializer[Any]):
    """All of them."""

    computeNodes = NodeStateSerializer(many=True)  # noqa: N815


class ComputeNodeStates(APIView):
    """/computenodes/states."""

    permission_classes = (IsReader,)

    @extend_schema(
        operation_id="getComputeNodeStates",
        tags=TAGS,
        responses={200: NodeStates, **error_responses()},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Each known compute node, with its state as the prober saw it last."""
        nodes = known_nodes(now=timezone.now())
        return Response({"computeNodes": [NodeStateSerializer(node).data for node in nodes]})


_CHANGED = {200: OpenApiResponse(description="Done; no body."), **error_responses(400, 413)}


class ComputeNodeDrain(APIView):
    """/computenodes/drain."""

    permission_classes = (MayChangeNodes,)
    audits = {"POST": "drain compute nodes"}

    @extend_schema(
        operation_id="drainComputeNodes",
        tags=TAGS,
        request={"application/json": Entries},
        responses=_CHANGED,
    )
    def post(self, request: Request) -> Response:
        """Send no new work to what these entries name; what runs there ends by itself."""
        drain_nodes(user=caller(request), entries=entries_of(request))
        return Response()


class ComputeNodeResume(APIView):
    """/computenodes/resume."""

    permission_classes = (MayChangeNodes,)
    audits = {"POST": "resume compute nodes"}

    @extend_schema(
        operation_id="resumeComputeNodes",
        tags=TAGS,
        request={"application/json": Entries},
        responses=_CHANGED,
    )
    def post(self, request: Request) -> Response:
        """Send work again to what these entries name."""
        resume_nodes(user=caller(request), entries=entries_of(request))
        return Response()
