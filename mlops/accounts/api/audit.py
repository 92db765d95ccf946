"""/audit: the audit trail, for Owners. Beyond the original server."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts import audit_reading
from mlops.accounts.audit import REFUSED, SUCCESS
from mlops.accounts.models import AuditEntry
from mlops.accounts.permissions import IsOwner
from mlops.errors import InvalidRequest
from mlops.representation import error_responses
from mlops.streaming import streamed

_JSON = "application/json"
_CSV = "text/csv"
_OUTCOMES = [SUCCESS, REFUSED]
_MOST = 1000
_FIRST = 100


class AuditTrailEntry(serializers.Serializer[AuditEntry]):
    """One line of the audit trail."""

    id = serializers.IntegerField()
    at = serializers.CharField(help_text="ISO 8601, UTC.")
    user = serializers.CharField(help_text="Empty when nobody was known; os:NAME for programs.")
    action = serializers.CharField()
    object = serializers.CharField()
    outcome = serializers.ChoiceField(choices=_OUTCOMES)
    reason = serializers.CharField(help_text="Of a refusal.")
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    address = serializers.CharField()
    loginSessionId = serializers.CharField()  # noqa: N815 - as the log spells it
    correlationId = serializers.CharField()  # noqa: N815


class AuditTrailPage(serializers.Serializer[Any]):
    """Some entries, newest first."""

    entries = AuditTrailEntry(many=True)
    next = serializers.IntegerField(
        allow_null=True, help_text="Ask with it as `before` for older ones; null: there are none."
    )


def _text(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string", **schema}, description=description)


def _number(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "integer", "minimum": 1, **schema}, description=description
    )


class AuditTrail(APIView):
    """/audit."""

    permission_classes = (IsOwner,)

    @extend_schema(
        operation_id="getAuditTrail",
        tags=["Audit trail"],
        parameters=[
            _text("user", "The name, as it is spelled."),
            _text("action", "Such as `publish version`."),
            _text("object", "With what belongs to it: `churn` finds `churn/v1` as well."),
            _text("outcome", "What came of it.", enum=_OUTCOMES),
            _text("from", "A date or time in ISO 8601, UTC unless it says another zone."),
            _text("to", "Entries before this moment."),
            _number("before", "Entries older than the one of this id."),
            _number("limit", "How many, at most.", maximum=_MOST, default=_FIRST),
        ],
        responses={
            (200, _JSON): AuditTrailPage,
            (200, _CSV): OpenApiResponse(OpenApiTypes.STR, description="All that match."),
            **error_responses(400),
        },
    )
    def get(self, request: Request) -> Response | StreamingHttpResponse:
        """What was changed, who signed in, and what was refused; newest first."""
        query = {name.lower(): str(value) for name, value in request.query_params.items()}
        found = audit_reading.matching(
            AuditEntry.objects.all(),
            user=query.get("user", ""),
            action=query.get("action", ""),
            object=query.get("object", ""),
            outcome=_outcome(query.get("outcome", "")),
            since=audit_reading.moment(query["from"]) if query.get("from") else None,
            until=audit_reading.moment(query["to"]) if query.get("to") else None,
        )
        if "before" in query:
            found = found.filter(pk__lt=_whole_number(query, "before"))
        limit = _whole_number(query, "limit") if "limit" in query else _FIRST
        if _CSV in request.headers.get("Accept", ""):
            return streamed(request, audit_reading.as_csv(found), content_type=_CSV)
        entries = list(found.order_by("-pk")[: min(limit, _MOST) + 1])
        page = entries[: min(limit, _MOST)]
        body = {
            "entries": [audit_reading.as_json(entry) for entry in page],
            "next": page[-1].pk if len(entries) > len(page) else None,
        }
        return Response(body)


def _outcome(text: str) -> str:
    if text and text not in _OUTCOMES:
        raise InvalidRequest(f"outcome is {' or '.join(_OUTCOMES)}.", fields="outcome")
    return text


def _whole_number(query: dict[str, str], name: str) -> int:
    text = query[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
        raise InvalidRequest(f"{name} must be a whole number of at least 1.", fields=name)
    return int(text)
