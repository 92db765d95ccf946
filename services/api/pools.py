"""Dedicated pools of versions (wire-api sections 2 and 16)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsContributor, IsReader
from mlops.representation import WholeNumber, caller, caller_of, error_responses
from mlops.rest import CaseInsensitiveSerializer
from services.actions.configure_pool import configure_pool
from services.actions.delete_pool import delete_pool
from services.actions.lookup import version_to_consume
from services.pools.status import PoolStatus, pool_status

_TAGS = ["Services"]
_WORDS = OpenApiResponse(OpenApiTypes.STR, description="What happens now, in words.")
_STATUSES = ["Success", "Pending", "NotFound"]


class PoolRequest(CaseInsensitiveSerializer):
    """The size of a pool."""

    InitialPoolSize = WholeNumber(
        default=0, help_text="Shells that each compute node keeps started and loaded."
    )
    MaxPoolSize = WholeNumber(
        default=0, help_text="Shells that each compute node starts at most; 0: no pool."
    )


class PoolStatusEntry(serializers.Serializer[PoolStatus]):
    """The pool on one compute node, each member in both spellings that clients know."""

    computeNodeEndpoint = serializers.CharField(source="address")  # noqa: N815
    status = serializers.ChoiceField(choices=_STATUSES)
    ComputeNodeEndpoint = serializers.CharField(source="address")
    Status = serializers.ChoiceField(source="status", choices=_STATUSES)


class ServicePool(APIView):
    """/services/{name}/{version}/pool."""

    audits = {"POST": "configure pool", "DELETE": "delete pool"}

    def get_permissions(self) -> list[BasePermission]:
        """The role check for this method, before the body is read."""
        return [IsReader() if self.request.method == "GET" else IsContributor()]

    @extend_schema(
        operation_id="createOrUpdateServicePool",
        tags=_TAGS,
        request={"application/json": PoolRequest},
        responses={200: _WORDS, **error_responses(400, 404, 413)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Give a version shells of its own on each compute node, or other numbers of them.

        It is done afterwards: ask for the status until it is `Success` on all nodes.
        """
        body = PoolRequest.of(request)
        said: dict[str, Any] = body.validated_data
        configured = configure_pool(
            user=caller(request),
            name=name,
            version=version,
            initial_size=said["InitialPoolSize"],
            max_size=said["MaxPoolSize"],
        )
        doing = "built" if configured.has_pool else "removed"
        return Response(f"The dedicated pool of {configured} is being {doing}.")

    @extend_schema(
        operation_id="getServicePoolStatus",
        tags=_TAGS,
        responses={200: PoolStatusEntry(many=True), **error_responses(404)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """How far the pool is on each compute node."""
        found = version_to_consume(caller=caller_of(request), name=name, version=version)
        entries: Any = pool_status(found)  # many=True takes several
        return Response(PoolStatusEntry(entries, many=True).data)

    @extend_schema(
        operation_id="deleteServicePool",
        tags=_TAGS,
        request=None,
        responses={200: _WORDS, **error_responses(400, 404)},
    )
    def delete(self, request: Request, name: str, version: str) -> Response:
        """Take the pool away; the version then runs in the shells that all share."""
        found = delete_pool(user=caller(request), name=name, version=version)
        return Response(f"The dedicated pool of {found} is being removed.")
