"""Bearer tokens on REST views."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from mlops.accounts import bearers, scope, serving
from mlops.accounts.bearers import Credentials
from mlops.accounts.models import User
from mlops.errors import NotSignedIn


class BearerAuthentication(BaseAuthentication):
    """The user of `Authorization: Bearer <access token or API key>`."""

    def authenticate(self, request: Request) -> tuple[User, Credentials] | None:
        """The user and by what they came, or None without a bearer header.

        Raises AuthenticationFailed for a bad token, PermissionDenied for an API key that is bound
        to services where none of them is called.
        """
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            credentials = bearers.credentials_of(token.strip())
        except NotSignedIn as error:
            raise AuthenticationFailed(error.message) from None
        serving.note_login_session(credentials.claims.login_session_id)
        if not scope.is_within(credentials.user.only_services, request):
            refusal = PermissionDenied(scope.OUTSIDE)
            # For the audit trail: to REST views who is refused here is nobody.
            refusal.username = credentials.user.username  # type: ignore[attr-defined]
            raise refusal
        return credentials.user, credentials

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """The challenge that makes DRF answer 401 instead of 403."""
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How OpenAPI describes it."""

    target_class = "mlops.accounts.authentication.BearerAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        """The security scheme object."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
