"""Calling a version and describing it to generated clients (wire-api sections 3 and 14).

Scoring calls with a bearer token never get here: the lane (`services/lane.py`) answers them.
"""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.correlation import current_id, new_id
from mlops.representation import NODE_ERRORS, caller_of, error_responses
from mlops.rest import CompactJSONRenderer
from nodes.api.streaming import NoParser
from nodes.compute_node import run_sync
from nodes.runtime.formats.media import ARROW, CSV, JSON, MEDIA_TYPES
from services import swagger
from services.actions.lookup import version_to_consume
from services.catalogue import published_version
from services.permissions import require_consume
from services.scoring import answer

_TAGS = ["Consumption"]


class Result(serializers.Serializer[Any]):
    """The result of one run; user code that failed has `success` false."""

    success = serializers.BooleanField()
    errorMessage = serializers.CharField(allow_blank=True)  # noqa: N815 - the contract's spelling
    consoleOutput = serializers.CharField(allow_blank=True)  # noqa: N815
    changedFiles = serializers.ListField(child=serializers.CharField())  # noqa: N815
    outputParameters = serializers.DictField(help_text="Values by name.")  # noqa: N815
    outputFiles = serializers.DictField(  # noqa: N815
        child=serializers.CharField(), help_text="Contents by file name, in base64."
    )


class Consume(APIView):
    """/api/{name}/{version}, from the sessions of browsers."""

    calls_a_service = True
    parser_classes = (NoParser,)  # the node reads the body, which may be no JSON

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """The request with its body kept, which the node gets as it is.

        The CSRF check looks for a form field and would use up the body.
        """
        request.body  # noqa: B018 - reading it keeps it
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="consumeWebService",
        tags=_TAGS,
        request={
            MEDIA_TYPES[JSON]: OpenApiTypes.OBJECT,
            MEDIA_TYPES[CSV]: OpenApiTypes.STR,
            MEDIA_TYPES[ARROW]: OpenApiTypes.BINARY,
        },
        responses={
            (200, MEDIA_TYPES[JSON]): Result,
            (200, MEDIA_TYPES[CSV]): OpenApiTypes.STR,
            (200, MEDIA_TYPES[ARROW]): OpenApiTypes.BINARY,
            **error_responses(400, 404, 406, 413, 415, 422, *NODE_ERRORS),
        },
    )
    def post(self, request: Request, name: str, version: str) -> HttpResponse:
        """Run the version on a JSON object with one member for each declared input.

        A version with one data frame as input takes it as CSV or Arrow as well; one with a data
        frame as its only output also answers so, to who accepts it.
        """
        published = published_version(name, version)
        require_consume(published, caller_of(request))
        formats = {"content-type": request.content_type or ""}
        wants_page = request.accepted_renderer.format == "api"
        if not wants_page:
            formats["accept"] = request.headers.get("Accept", "")
        answered = run_sync(
            answer(
                published,
                request.body,
                correlation_id=current_id() or new_id(),
                formats={key: value for key, value in formats.items() if value},
            )
        )
        if wants_page:
            return Response(json.loads(answered.body))
        return HttpResponse(answered.body, content_type=answered.content_type.decode())


class SwaggerDocument(APIView):
    """/api/{name}/{version}/swagger.json."""

    calls_a_service = True
    renderer_classes = [CompactJSONRenderer]

    @extend_schema(
        operation_id="getWebServiceSwagger",
        tags=_TAGS,
        responses={
            200: OpenApiResponse(OpenApiTypes.OBJECT, description="A Swagger 2.0 document."),
            **error_responses(404),
        },
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """The version's own Swagger 2.0 document, from which clients are generated."""
        found = version_to_consume(caller=caller_of(request), name=name, version=version)
        return Response(swagger.document(found))
