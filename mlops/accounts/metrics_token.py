"""Who may read metrics: Owners, and whoever shows the metrics token."""

import hmac
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from mlops.accounts.permissions import IsOwner

if TYPE_CHECKING:
    from rest_framework.views import APIView


class MetricsTokenAuthentication(BaseAuthentication):
    """Nobody in particular, by `Authorization: Bearer <MLOPS_METRICS_TOKEN>`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, None] | None:
        """A user without rights, or None for any other token; see `MayReadMetrics`."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        expected: bytes = settings.METRICS_TOKEN.encode()
        if not expected or scheme.lower() != b"bearer":
            return None
        is_shown = hmac.compare_digest(token.strip(), expected)
        return (AnonymousUser(), None) if is_shown else None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """The challenge that makes DRF answer 401 instead of 403."""
        return "Bearer"


class MayReadMetrics(IsOwner):
    """The metrics token, or Owner."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether either is there."""
        if isinstance(request.successful_authenticator, MetricsTokenAuthentication):
            return True
        return super().has_permission(request, view)
