"""The state of the whole (wire-api section 6)."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.errors import MlopsError
from mlops.last_resort import error_of
from mlops.representation import error_responses
from mlops.status import Status as State
from nodes import status


class Status(serializers.Serializer[State]):
    """The state of one part and of its parts."""

    statusCode = serializers.ChoiceField(  # noqa: N815 - the contract's spelling
        source="code", choices=["pass", "warn", "fail"]
    )
    details = serializers.DictField()
    components = serializers.SerializerMethodField()

    @extend_schema_field(
        {
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/Status"},
            "nullable": True,
        }
    )
    def get_components(self, part: State) -> dict[str, Any] | None:
        """The parts by name; null where there can be none."""
        if part.components is None:
            return None
        return {name: Status(each).data for name, each in part.components.items()}


class StatusView(APIView):
    """/status."""

    @extend_schema(
        operation_id="getStatus",
        tags=["Status"],
        responses={200: Status, **error_responses(500)},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The state of this web node, its database, sign-in method and compute nodes, as of now."""
        return Response(Status(status.report()).data)

    def handle_exception(self, error: Exception) -> Response:
        """500 when the web node cannot report itself, as it cannot without knowing who asks."""
        if error_of(error) is not None:
            error = MlopsError("This web node cannot report its state: the database is away.")
        return super().handle_exception(error)
