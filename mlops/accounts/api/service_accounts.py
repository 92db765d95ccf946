"""/serviceaccounts: the accounts of applications."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.models import User
from mlops.accounts.permissions import HasSignedIn, IsOwner
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import (
    create_service_account,
    remove_service_account,
    service_accounts,
)
from mlops.representation import Text, caller, error_responses, wire_time
from mlops.rest import CaseInsensitiveSerializer

_TAGS = ["Service accounts"]
_ROLES = [role.name.title() for role in Role]


class ServiceAccountRequest(CaseInsensitiveSerializer):
    """What account to make."""

    name = Text()
    role = serializers.ChoiceField(choices=_ROLES)
    description = Text(required=False)


class ServiceAccount(serializers.Serializer[User]):
    """A service account."""

    name = serializers.CharField(source="username")
    role = serializers.SerializerMethodField()
    description = serializers.CharField(source="display_name", allow_blank=True)
    creationTime = serializers.SerializerMethodField()  # noqa: N815 - as the contract spells names

    def get_role(self, account: User) -> str:
        """Its role."""
        return Role(account.assigned_role or Role.READER).name.title()

    def get_creationTime(self, account: User) -> str:  # noqa: N802 - named after the member
        """When it was made, UTC."""
        return wire_time(account.date_joined)


class ServiceAccounts(APIView):
    """/serviceaccounts."""

    permission_classes = (IsOwner, HasSignedIn)
    audits = {"POST": "create service account"}

    @extend_schema(
        operation_id="getServiceAccounts",
        tags=_TAGS,
        responses={200: ServiceAccount(many=True), **error_responses()},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """All service accounts, by name."""
        accounts: Any = service_accounts()  # many=True takes several
        return Response(ServiceAccount(accounts, many=True).data)

    @extend_schema(
        operation_id="createServiceAccount",
        tags=_TAGS,
        request={"application/json": ServiceAccountRequest},
        responses={201: ServiceAccount, **error_responses(400, 409, 413)},
    )
    def post(self, request: Request) -> Response:
        """Make a service account; it has no key yet."""
        body = ServiceAccountRequest.of(request)
        role = Role[body.validated_data.pop("role").upper()]
        account = create_service_account(user=caller(request), role=role, **body.validated_data)
        return Response(ServiceAccount(account).data, status=status.HTTP_201_CREATED)


class ServiceAccountByName(APIView):
    """/serviceaccounts/{username}."""

    permission_classes = (IsOwner, HasSignedIn)
    audits = {"DELETE": "remove service account"}

    @extend_schema(
        operation_id="removeServiceAccount",
        tags=_TAGS,
        responses={200: OpenApiTypes.STR, **error_responses(404)},
    )
    def delete(self, request: Request, username: str) -> Response:
        """Remove a service account with its keys; what it published stays."""
        remove_service_account(user=caller(request), name=username)
        return Response(username)
