"""Running code in a session (wire-api section 4)."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.representation import NODE_ERRORS, Text, caller, error_responses
from mlops.rest import CaseInsensitiveSerializer
from nodes.api.hanging_up import hang_up_of
from nodes.execution import cancel, console_output, execute, history
from nodes.holding import own_session

_TAGS = ["Sessions"]


@extend_schema_field({"description": "Any JSON."})
class _Value(serializers.Field[Any, Any, Any, Any]):
    """Any JSON, the tokens NaN and Infinity included; null when it is left out."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """The value as it is, which needs no further look."""
        return True, None if data is serializers.empty else data


class InputParameter(CaseInsensitiveSerializer):
    """A variable that is set before the code runs; its type is inferred from the value."""

    name = Text()
    value = _Value()

    def validate_name(self, name: str) -> str:
        """The name; ValidationError when it is empty."""
        if not name:
            raise serializers.ValidationError("A variable needs a name.")
        return name


@extend_schema_field(InputParameter(many=True))
class _InputParameters(serializers.Field[Any, Any, Any, Any]):
    """A list of InputParameter, also as JSON text, which is how the R client sends it."""

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        """The inputs; ValidationError when that is not what they are."""
        inputs = InputParameter(data=_decoded(data), many=True)
        inputs.is_valid(raise_exception=True)
        names = [one["name"] for one in inputs.validated_data]
        if len(set(names)) < len(names):
            raise serializers.ValidationError("Two inputs have the same name.")
        return [dict(one) for one in inputs.validated_data]


@extend_schema_field(serializers.ListField(child=serializers.CharField()))
class _OutputParameters(serializers.Field[Any, Any, Any, Any]):
    """A list of names, also as JSON text; R sends a vector of one name as that name."""

    def to_internal_value(self, data: Any) -> list[str]:
        """The names; ValidationError when that is not what they are."""
        if isinstance(data, str) and data.strip() and not data.lstrip().startswith("["):
            return [data]
        names = serializers.ListField(child=Text()).run_validation(_decoded(data))
        return list(dict.fromkeys(names))


class ExecuteRequest(CaseInsensitiveSerializer):
    """The body of `POST /sessions/{id}/execute`."""

    code = Text()
    inputParameters = _InputParameters(required=False, allow_null=True)  # noqa: N815 - the contract's
    outputParameters = _OutputParameters(  # noqa: N815
        required=False, allow_null=True, help_text="Names of variables to answer with."
    )

    def to_internal_value(self, data: Any) -> Any:
        """The validated data; members spelled in snake_case are understood, too."""
        if isinstance(data, Mapping):
            data = {str(name).replace("_", ""): value for name, value in data.items()}
        return super().to_internal_value(data)


class OutputParameter(serializers.Serializer[Any]):
    """A variable as it was when the code had run."""

    name = serializers.CharField()
    value = _Value()


class ExecuteResponse(serializers.Serializer[Any]):
    """How the code ran; when it failed, `success` is false and the session goes on."""

    success = serializers.BooleanField()
    errorMessage = serializers.CharField(allow_blank=True)  # noqa: N815 - the contract's spelling
    outputParameters = OutputParameter(many=True)  # noqa: N815
    consoleOutput = serializers.CharField(allow_blank=True)  # noqa: N815
    changedFiles = serializers.ListField(child=serializers.CharField())  # noqa: N815


class ConsoleOutputResponse(serializers.Serializer[Any]):
    """What the current or last execute has printed."""

    consoleOutput = serializers.CharField(allow_blank=True)  # noqa: N815


class SessionExecute(APIView):
    """/sessions/{id}/execute."""

    @extend_schema(
        operation_id="executeCode",
        tags=_TAGS,
        request={"application/json": ExecuteRequest},
        responses={200: ExecuteResponse, **error_responses(400, 404, 410, 413, *NODE_ERRORS)},
    )
    def post(self, request: Request, session_id: str) -> HttpResponse:
        """Run code in the session and wait for its end; earlier calls come first."""
        own_session(user=caller(request), session_id=session_id)
        body = ExecuteRequest.of(request)
        answer = execute(
            user=caller(request),
            session_id=session_id,
            code=body.validated_data["code"],
            inputs=body.validated_data.get("inputParameters") or [],
            outputs=body.validated_data.get("outputParameters") or [],
            hang_up=hang_up_of(request),
        )
        if request.accepted_renderer.format == "api":
            return Response(json.loads(answer))
        return HttpResponse(answer, content_type="application/json")


class SessionConsoleOutput(APIView):
    """/sessions/{id}/console-output."""

    @extend_schema(
        operation_id="getSessionConsoleOutput",
        tags=_TAGS,
        responses={200: ConsoleOutputResponse, **error_responses(404, 410, *NODE_ERRORS)},
    )
    def get(self, request: Request, session_id: str) -> Response:
        """What the current or last execute has printed; answers while it runs."""
        text = console_output(user=caller(request), session_id=session_id)
        return Response({"consoleOutput": text})


class SessionHistory(APIView):
    """/sessions/{id}/history."""

    @extend_schema(
        operation_id="getSessionHistory",
        tags=_TAGS,
        responses={
            200: {"type": "array", "items": {"type": "string"}},
            **error_responses(404, 410, *NODE_ERRORS),
        },
    )
    def get(self, request: Request, session_id: str) -> Response:
        """The texts executed, oldest first."""
        return Response(history(user=caller(request), session_id=session_id))


class SessionCancel(APIView):
    """/sessions/{id}/cancel."""

    @extend_schema(
        operation_id="cancelSession",
        tags=_TAGS,
        request=None,
        responses={
            200: OpenApiResponse(OpenApiTypes.STR, description="What was done."),
            **error_responses(404, 410, *NODE_ERRORS),
        },
    )
    def post(self, request: Request, session_id: str) -> Response:
        """Interrupt what the session executes; the session lives on."""
        cancel(user=caller(request), session_id=session_id)
        return Response("The execution is cancelled.")


def _decoded(data: Any) -> Any:
    """A list; from its JSON text, and from what R makes of nothing: an empty text or object."""
    if isinstance(data, str):
        try:
            data = json.loads(data) if data.strip() else []
        except (ValueError, RecursionError) as error:
            raise serializers.ValidationError(f"The text is not valid JSON: {error}") from None
    return [] if data == {} else data
