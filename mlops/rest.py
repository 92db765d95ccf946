"""What all REST views share: lenient JSON in, compact JSON out, one error object."""

import codecs
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, Self

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from mlops.accounts.refusals import note_refusal
from mlops.errors import MlopsError, error_body
from mlops.last_resort import error_of, internal_error

logger = logging.getLogger(__name__)


class LenientJSONParser(BaseParser):
    """The JSON of the body, whatever its content type says (wire-api section 0).

    Tolerates a byte order mark, the tokens NaN and Infinity, and an empty body (taken as `{}`).
    """

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - the signature is DRF's
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """The decoded body; raises ParseError that says where the text is wrong."""
        raw = stream.read().removeprefix(codecs.BOM_UTF8)
        if not raw.strip():
            return {}
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not valid JSON: {error}") from None


class CompactJSONRenderer(JSONRenderer):
    """JSON without blanks; absent data stays an empty body."""

    compact = True
    strict = True


class NeverRefuseNegotiation(DefaultContentNegotiation):
    """The first renderer, unless a browser asks for a page: clients get bytes, never a 406."""

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],  # type: ignore[override]
        format_suffix: str | None = None,  # noqa: ARG002 - the signature is DRF's
    ) -> tuple[BaseRenderer, str]:
        """The renderer for `request` and its media type."""
        wants_page = "text/html" in request.META.get("HTTP_ACCEPT", "")
        for renderer in renderers:
            if wants_page and renderer.format == "api":
                return renderer, renderer.media_type
        return renderers[0], renderers[0].media_type


class CaseInsensitiveSerializer(serializers.Serializer[Any]):
    """A serializer whose property names match in any case; unknown ones are ignored."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """The valid body of the request; raises ValidationError that says what is wrong with it."""
        body = cls(data=request.data)
        body.is_valid(raise_exception=True)
        return body

    def to_internal_value(self, data: Any) -> Any:
        """The validated data, keyed by the declared names."""
        if isinstance(data, Mapping):
            declared = {name.lower(): name for name in self.fields.keys()}  # noqa: SIM118 - its stub
            # Exact spellings go last, so that they win over others.
            ordered = sorted(data.items(), key=lambda item: item[0] in self.fields)
            data = {declared.get(str(name).lower(), name): value for name, value in ordered}
        return super().to_internal_value(data)


class ErrorBody(serializers.Serializer[Any]):
    """The error object that both client families understand (wire-api section 0)."""

    message = serializers.CharField()
    link = serializers.CharField(allow_blank=True)
    exceptionType = serializers.CharField()  # noqa: N815 - the contract's spelling
    code = serializers.IntegerField()
    fields_ = serializers.CharField(allow_blank=True)

    def get_fields(self) -> dict[str, Any]:
        """The members, `fields` under its wire name: an attribute of that name is DRF's own."""
        members = super().get_fields()
        return {name.rstrip("_"): field for name, field in members.items()}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The response for `error` raised in a DRF view; None lets Django log it and answer 500."""
    note_refusal(error, context)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif unavailable := error_of(error):
        logger.error("The database cannot be asked.", exc_info=error)
        error = unavailable
    if isinstance(error, MlopsError):
        response = Response(error.body(), status=error.status)
        if error.retryable:
            response["Retry-After"] = str(error.retry_after)
        if error.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        return response
    if isinstance(error, exceptions.APIException):
        message, fields = _flatten(error.detail)
        body = error_body(error.status_code, message, type(error).__name__, fields=fields)
        response = Response(body, status=error.status_code)
        if auth_header := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = auth_header
        return response
    return None


def _flatten(detail: Any, path: str = "") -> tuple[str, str]:
    """All messages of a DRF error detail in one sentence each, and the names of the fields."""
    messages: list[str] = []
    fields: list[str] = []

    def visit(part: Any, path: str) -> None:
        if isinstance(part, Mapping):
            for name, value in part.items():
                visit(value, f"{path}.{name}".lstrip(".") if name != "non_field_errors" else path)
        elif isinstance(part, list):
            for value in part:
                visit(value, path)
        else:
            messages.append(f"{path}: {part}" if path else str(part))
            if path and path not in fields:
                fields.append(path)

    visit(detail, path)
    return " ".join(messages), ",".join(fields)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001
    """The error object for a request Django itself refuses."""
    body = error_body(400, "The request is malformed.", "BadRequest")
    return JsonResponse(body, status=400)


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001
    """The error object for an address that no route has."""
    body = error_body(404, "There is nothing at this address.", "NotFound")
    return JsonResponse(body, status=404)


def server_error(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """The error object for a fault of ours; the log has the details."""
    # Django calls this while it handles the fault.
    fault = sys.exception()
    error = error_of(fault) if fault else None
    if error is None:
        return JsonResponse(internal_error(), status=500)
    return JsonResponse(error.body(), status=error.status, headers={"Retry-After": "1"})
