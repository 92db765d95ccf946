"""/login: token pairs for anonymous callers (wire-api section 1)."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts import tokens
from mlops.accounts.action_log import note_login, note_user
from mlops.accounts.sign_in.passwords import sign_in
from mlops.accounts.tokens import TokenPair
from mlops.errors import NotSignedIn
from mlops.representation import anonymous_error_responses
from mlops.rest import CaseInsensitiveSerializer, LenientJSONParser

# Anybody may send a body here, so it is kept small; longer passwords would only cost hashing time.
MAX_BODY_BYTES = 64 * 1024
MAX_TEXT_LENGTH = 4096

_NO_CREDENTIALS = "The body must be a JSON object with the texts `username` and `password`."
_NO_RENEWAL = "The request must carry the text `refreshToken`."


class SmallJSONParser(LenientJSONParser):
    """The JSON of a body of at most MAX_BODY_BYTES."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body; raises ParseError when it is too long or no JSON."""
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise ParseError(f"The body must not exceed {MAX_BODY_BYTES} bytes.")
        return super().parse(BytesIO(raw), media_type, parser_context)


class LoginRequest(CaseInsensitiveSerializer):
    """The body of `POST /login`."""

    username = serializers.CharField(max_length=MAX_TEXT_LENGTH, trim_whitespace=False)
    password = serializers.CharField(
        max_length=MAX_TEXT_LENGTH, trim_whitespace=False, write_only=True
    )


class RenewTokenRequest(CaseInsensitiveSerializer):
    """The body of `POST /login/refreshToken`."""

    refreshToken = serializers.CharField(max_length=MAX_TEXT_LENGTH)  # noqa: N815 - wire name


class AccessTokenResponse(serializers.Serializer[TokenPair]):
    """A token pair. Clients cut `access_token` out by pattern, so it must not be the last key."""

    token_type = serializers.CharField(help_text="Bearer")
    access_token = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds")
    expires_on = serializers.IntegerField(help_text="Unix seconds")
    refresh_token = serializers.CharField()


class _AnonymousView(APIView):
    """A view that asks for no token; whatever is wrong with a request is a 401 here."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (SmallJSONParser,)


class LoginView(_AnonymousView):
    """`/login`."""

    @extend_schema(
        operation_id="login",
        tags=["User"],
        request={"application/json": LoginRequest},
        responses={200: AccessTokenResponse, **anonymous_error_responses(401, 413, 429)},
    )
    @method_decorator(sensitive_variables())
    def post(self, request: Request) -> Response:
        """A token pair for a user name and a password."""
        credentials = _validated(LoginRequest, request, otherwise=_NO_CREDENTIALS)
        pair = tokens.issue(sign_in(request, **credentials))
        note_login(pair.username, pair.login_session_id)
        return _token_response(pair)


class RefreshTokenView(_AnonymousView):
    """`/login/refreshToken`."""

    @extend_schema(
        operation_id="renewToken",
        tags=["User"],
        request={"application/json": RenewTokenRequest},
        responses={200: AccessTokenResponse, **anonymous_error_responses(401, 413)},
    )
    def post(self, request: Request) -> Response:
        """A new token pair in exchange for a refresh token; the older pair is dead from then on."""
        body = _validated(RenewTokenRequest, request, otherwise=_NO_RENEWAL)
        pair = tokens.renew(body["refreshToken"])
        note_user(pair.username)
        return _token_response(pair)

    @extend_schema(
        operation_id="revokeRefreshToken",
        tags=["User"],
        parameters=[OpenApiParameter("refreshToken", str, required=True)],
        responses={200: OpenApiTypes.OBJECT, **anonymous_error_responses(401)},
    )
    def delete(self, request: Request) -> Response:
        """End a login: its refresh token and access token are dead from then on."""
        query = {name.lower(): str(value) for name, value in request.query_params.items()}
        tokens.revoke(query.get("refreshtoken", ""))
        return Response({})


class RefreshTokenPathView(_AnonymousView):
    """`/login/refreshToken/{refreshToken}`, as clients of version 9.0 spell it."""

    @extend_schema(
        operation_id="revokeRefreshTokenByPath",
        tags=["User"],
        responses={200: OpenApiTypes.OBJECT, **anonymous_error_responses(401)},
    )
    def delete(self, request: Request, refresh_token: str) -> Response:  # noqa: ARG002
        """End a login: its refresh token and access token are dead from then on."""
        tokens.revoke(refresh_token)
        return Response({})


def _validated(
    serializer_class: type[CaseInsensitiveSerializer], request: Request, *, otherwise: str
) -> dict[str, str]:
    """The valid members of the body; raises NotSignedIn, the contract's only refusal here."""
    try:
        serializer = serializer_class(data=request.data)
    except ParseError as error:
        raise NotSignedIn(str(error.detail)) from None
    if not serializer.is_valid():
        raise NotSignedIn(otherwise)
    return dict(serializer.validated_data)


def _token_response(pair: TokenPair) -> Response:
    body = {
        "token_type": "Bearer",
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "expires_on": pair.expires_on,
        "refresh_token": pair.refresh_token,
    }
    return Response(body, headers={"Cache-Control": "no-store"})
