"""Grants of a service: who may consume and who may manage it. Beyond the original server."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsContributor
from mlops.representation import Text, caller, error_responses
from mlops.rest import CaseInsensitiveSerializer
from services import grants
from services.actions.set_grants import service_to_govern, set_grants
from services.grants import Grant
from services.models import Service

_TAGS = ["Grants"]
_REVISION = "What tells this list from any other one."


class GrantEntry(CaseInsensitiveSerializer):
    """One right of one user or group."""

    right = Text(
        help_text="consume: call the service and see it; manage: that, and publish, change and "
        "delete its versions, as a Contributor."
    )
    kind = Text(help_text="user or group")
    name = Text(help_text="Of the user, as in `versionPublishedBy`, or of the group, in any case.")


class GrantsRequest(CaseInsensitiveSerializer):
    """All grants that the service is to have."""

    grants = serializers.ListField(child=GrantEntry())
    revision = Text(
        required=False,
        allow_null=True,
        help_text="Of the list that this one replaces: 409 if it is another one by now.",
    )


class ServiceGrants(serializers.Serializer[Service]):
    """The grants of a service; with none it is open to everybody with a role."""

    name = serializers.CharField()
    grants = GrantEntry(many=True)
    revision = serializers.SerializerMethodField(help_text=_REVISION)

    def get_revision(self, service: Service) -> str:
        """Of its list of grants."""
        return grants.revision(service.grants)


class GrantsOfService(APIView):
    """/grants/{name}."""

    permission_classes = (IsContributor,)  # the actions check the right on the service
    audits = {"PUT": "set grants", "DELETE": "set grants"}

    @extend_schema(
        operation_id="getGrants",
        tags=_TAGS,
        responses={200: ServiceGrants, **error_responses(404)},
    )
    def get(self, request: Request, name: str) -> Response:
        """Who may consume and who may manage a service, for who may manage it."""
        service = service_to_govern(user=caller(request), name=name)
        return Response(ServiceGrants(service).data)

    @extend_schema(
        operation_id="setGrants",
        tags=_TAGS,
        request={"application/json": GrantsRequest},
        responses={200: ServiceGrants, **error_responses(400, 404, 409, 413)},
    )
    def put(self, request: Request, name: str) -> Response:
        """Replace all grants of a service.

        With any grant to consume, only those named, the publishers of its versions for these, and
        Owners may call and see it. With any grant to manage, only those named and Owners may
        publish new versions of it.
        """
        service_to_govern(user=caller(request), name=name)  # before the body is judged
        body = GrantsRequest.of(request)
        said: dict[str, Any] = body.validated_data
        service = set_grants(
            user=caller(request),
            name=name,
            grants=[Grant(**each) for each in said["grants"]],
            former=said.get("revision"),
        )
        return Response(ServiceGrants(service).data)

    @extend_schema(
        operation_id="clearGrants",
        tags=_TAGS,
        request=None,
        responses={200: ServiceGrants, **error_responses(400, 404)},
    )
    def delete(self, request: Request, name: str) -> Response:
        """Open the service to everybody with a role again."""
        service = set_grants(user=caller(request), name=name, grants=[])
        return Response(ServiceGrants(service).data)
