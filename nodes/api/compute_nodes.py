"""The list of declared compute nodes (wire-api section 7)."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsReader, MayChangeNodes
from mlops.representation import Text, caller, error_responses
from mlops.rest import CaseInsensitiveSerializer
from nodes.actions import add_nodes, remove_nodes, replace_nodes
from nodes.declared import declared_entries

TAGS = ["Compute nodes"]
_PATH = "/computenodes"
_CHANGED = {200: OpenApiResponse(description="Done; no body."), **error_responses(400, 413)}


class Entries(CaseInsensitiveSerializer):
    """Entries of the list: URIs, with ranges such as `http://10.0.0.1-9:12805`."""

    entries = serializers.ListField(child=Text())


class ComputeNodeList(serializers.Serializer[Any]):
    """The list."""

    computeNodes = serializers.ListField(  # noqa: N815 - the contract's spelling
        child=serializers.CharField(), help_text="As declared: ranges are not expanded."
    )


class ComputeNodes(APIView):
    """/computenodes."""

    audits = {
        "POST": "replace compute nodes",
        "PUT": "add compute nodes",
        "DELETE": "remove compute nodes",
    }

    def get_permissions(self) -> list[BasePermission]:
        """Everybody may look, administrators may change."""
        is_change = self.request.method in ("POST", "PUT", "DELETE")
        return [MayChangeNodes() if is_change else IsReader()]

    @extend_schema(
        operation_id="getComputeNodes",
        tags=TAGS,
        responses={200: ComputeNodeList, **error_responses()},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The declared entries."""
        return Response({"computeNodes": declared_entries()})

    @extend_schema(
        operation_id="replaceComputeNodes",
        tags=TAGS,
        request={"application/json": Entries},
        responses=_CHANGED,
    )
    def post(self, request: Request) -> Response:
        """Declare these entries and no others."""
        replace_nodes(user=caller(request), entries=entries_of(request))
        return Response()

    @extend_schema(
        operation_id="addComputeNodes",
        tags=TAGS,
        request={"application/json": Entries},
        responses=_CHANGED,
    )
    def put(self, request: Request) -> Response:
        """Declare these entries too; those that are there already are left as they are."""
        add_nodes(user=caller(request), entries=entries_of(request))
        return Response()

    @extend_schema(operation_id="removeComputeNodes", tags=TAGS, responses=_CHANGED)
    def delete(self, request: Request) -> Response:
        """Declare these entries no longer; the body names them as they are listed."""
        remove_nodes(user=caller(request), entries=entries_of(request))
        return Response()


def entries_of(request: Request) -> list[str]:
    """The entries in the body."""
    body = Entries.of(request)
    return list(body.validated_data["entries"])


def describe_body_of_delete(result: Any, **_: Any) -> Any:
    """The OpenAPI document with the body of DELETE, which its generator does not know of."""
    operations = result["paths"].get(_PATH, {})
    if "delete" in operations:
        operations["delete"]["requestBody"] = operations["put"]["requestBody"]
    return result
