"""/apikeys: the keys by which applications come."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.api_keys.actions import (
    DEFAULT_DAYS,
    create_api_key,
    revoke_api_key,
    visible_keys,
)
from mlops.accounts.models import ApiKey
from mlops.accounts.permissions import HasSignedIn, IsReader
from mlops.representation import Text, WholeNumber, caller, error_responses, wire_time
from mlops.rest import CaseInsensitiveSerializer

_TAGS = ["API keys"]


class ApiKeyRequest(CaseInsensitiveSerializer):
    """What key to make."""

    name = Text(help_text="What it is for.")
    account = Text(required=False, help_text="A service account; without it, one's own account.")
    services = serializers.ListField(
        child=Text(),
        required=False,
        allow_null=True,
        help_text="The only services that it may call; without them it can do all the account can.",
    )
    days = WholeNumber(required=False, help_text=f"How long it is good; {DEFAULT_DAYS} by default.")


class ApiKeyEntry(serializers.Serializer[ApiKey]):
    """A key, without its text. Times are UTC."""

    id = serializers.CharField()
    name = serializers.CharField()
    account = serializers.CharField(source="user.username")
    services = serializers.ListField(child=serializers.CharField(), allow_null=True)
    creationTime = serializers.SerializerMethodField()  # noqa: N815 - as the contract spells names
    expiryTime = serializers.SerializerMethodField()  # noqa: N815
    lastUseTime = serializers.SerializerMethodField()  # noqa: N815

    def get_creationTime(self, key: ApiKey) -> str:  # noqa: N802 - named after the member
        """When it was made."""
        return wire_time(key.created_at)

    def get_expiryTime(self, key: ApiKey) -> str:  # noqa: N802
        """Until when it is good."""
        return wire_time(key.expires_at)

    def get_lastUseTime(self, key: ApiKey) -> str | None:  # noqa: N802
        """When it was last used, to the minute; null for never."""
        return wire_time(key.last_used_at) if key.last_used_at else None


class MadeApiKey(ApiKeyEntry):
    """A new key with its text, which is told this once."""

    key = serializers.CharField()


class ApiKeys(APIView):
    """/apikeys."""

    permission_classes = (IsReader, HasSignedIn)
    audits = {"POST": "create API key"}

    @extend_schema(
        operation_id="getApiKeys",
        tags=_TAGS,
        responses={200: ApiKeyEntry(many=True), **error_responses()},
    )
    def get(self, request: Request) -> Response:
        """The caller's keys, oldest first; everybody's for an Owner."""
        keys: Any = visible_keys(caller(request))  # many=True takes several
        return Response(ApiKeyEntry(keys, many=True).data)

    @extend_schema(
        operation_id="createApiKey",
        tags=_TAGS,
        request={"application/json": ApiKeyRequest},
        responses={201: MadeApiKey, **error_responses(400, 404, 413)},
    )
    def post(self, request: Request) -> Response:
        """Make a key of one's own account or, as an Owner, of a service account."""
        body = ApiKeyRequest.of(request)
        made = create_api_key(user=caller(request), **body.validated_data)
        answer = {**ApiKeyEntry(made.key).data, "key": made.text}
        headers = {"Cache-Control": "no-store"}
        return Response(answer, status=status.HTTP_201_CREATED, headers=headers)


class ApiKeyById(APIView):
    """/apikeys/{id}."""

    permission_classes = (IsReader, HasSignedIn)
    audits = {"DELETE": "revoke API key"}

    @extend_schema(
        operation_id="revokeApiKey",
        tags=_TAGS,
        responses={200: OpenApiTypes.STR, **error_responses(404)},
    )
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke a key, everywhere within a second; the answer is its id."""
        return Response(revoke_api_key(user=caller(request), key_id=key_id).pk)
