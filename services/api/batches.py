"""The batch calls of a version (wire-api section 3)."""

import json
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.errors import InvalidRequest, NotFound
from mlops.representation import caller, error_responses
from mlops.streaming import streamed
from nodes.holding import parse_id
from services.actions.cancel_batch import cancel_batch
from services.actions.start_batch import DEFAULT_PARALLEL_COUNT, start_batch
from services.api.consumption import Result
from services.batches import reading
from services.models import Batch, BatchState, Version

_TAGS = ["Batches"]
_BINARY = "application/octet-stream"
_IDS = {"type": "array", "items": {"type": "string", "format": "uuid"}}
_PARTIAL_RESULTS = ("showpartialresults", "showpartialresult")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class StartBatchExecutionResponse(serializers.Serializer[Any]):
    """The id under which the batch is called, in both spellings that clients read."""

    name = serializers.CharField(source="version.service.name")
    version = serializers.CharField(source="version.version")
    batchExecutionId = serializers.UUIDField(source="pk")  # noqa: N815 - the contract's spelling
    BatchExecutionId = serializers.UUIDField(source="pk")


# drf-spectacular forgets that entries of a list may be null.
@extend_schema_field(
    {
        "type": "array",
        "items": {"allOf": [{"$ref": "#/components/schemas/Result"}], "nullable": True},
        "description": "Each at the index of its item, null where there is none yet; "
        "`outputFiles` is empty, the files have calls of their own.",
    }
)
class _Results(serializers.ListField):
    child = Result()


class BatchResult(serializers.Serializer[Any]):
    """How far the batch is, and what came of its items."""

    state = serializers.ChoiceField(choices=BatchState.choices)
    completedItemCount = serializers.IntegerField()  # noqa: N815
    totalItemCount = serializers.IntegerField()  # noqa: N815
    parallelCount = serializers.IntegerField()  # noqa: N815
    batchExecutionResults = _Results()  # noqa: N815


class _BatchView(APIView):
    """Readers may run batches; each sees their own, an Owner everybody's."""

    calls_a_service = True

    def batches(self, request: Request, name: str, version: str) -> Any:
        """The batches of the version that the caller sees; raises NotFound without a version."""
        called = Version.objects.named(name, version).first()
        if called is None:
            raise NotFound("There is no such version of this service.")
        return Batch.objects.visible_to(caller(request)).filter(version=called)

    def batch(self, request: Request, name: str, version: str, execution_id: str) -> Batch:
        """The batch; raises NotFound for one that the caller does not see."""
        found: Batch | None = (
            self.batches(request, name, version).filter(pk=parse_id(execution_id)).first()
        )
        if found is None:
            raise NotFound(reading.UNKNOWN)
        return found


class Batches(_BatchView):
    """/api/{name}/{version}/batch."""

    audits = {"POST": "start batch"}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """The request with its body kept, whose items go to the nodes as they are."""
        request.body  # noqa: B018 - reading it keeps it; the CSRF check would use it up
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="startBatchExecution",
        tags=_TAGS,
        parameters=[
            OpenApiParameter(
                "parallelCount",
                {"type": "integer", "minimum": 1, "default": DEFAULT_PARALLEL_COUNT},
                description="How many items run at a time, at most; bounded by the server.",
            )
        ],
        request={"application/json": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
        responses={202: StartBatchExecutionResponse, **error_responses(400, 404, 413)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Run the version on each object of a JSON array; the answer has the id of the batch."""
        batch = start_batch(
            user=caller(request),
            name=name,
            version=version,
            body=request.body,
            parallel_count=_parallel_count(request),
        )
        answer = StartBatchExecutionResponse(batch).data
        return Response(answer, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="getBatchExecutions",
        tags=_TAGS,
        responses={200: _IDS, **error_responses(404)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """The ids of the caller's batches of this version, oldest first; of all for an Owner."""
        ids: Iterable[UUID] = self.batches(request, name, version).values_list("pk", flat=True)
        return Response([str(each) for each in ids])


class BatchById(_BatchView):
    """/api/{name}/{version}/batch/{executionId}."""

    audits = {"DELETE": "cancel batch"}

    @extend_schema(
        operation_id="getBatchExecutionStatus",
        tags=_TAGS,
        parameters=[
            OpenApiParameter(
                name,
                {"type": "boolean", "default": True},
                description="false leaves the results out until the batch is complete.",
            )
            for name in ("showPartialResults", "showPartialResult")
        ],
        responses={200: BatchResult, **error_responses(400, 404)},
    )
    def get(self, request: Request, name: str, version: str, execution_id: str) -> HttpResponseBase:
        """The state of the batch and the results so far."""
        shows_partial = _shows_partial_results(request)
        batch = self.batch(request, name, version, execution_id)
        chunks = reading.status_json(batch.pk, shows_partial=shows_partial)
        if request.accepted_renderer.format == "api":
            return Response(json.loads(b"".join(chunks)))
        return streamed(request, chunks, content_type="application/json")

    @extend_schema(
        operation_id="cancelAndDeleteBatchExecution",
        tags=_TAGS,
        responses={200: _IDS, **error_responses(404)},
    )
    def delete(self, request: Request, name: str, version: str, execution_id: str) -> Response:
        """Stop what has not run and what is running, and remove all results and files."""
        batch = self.batch(request, name, version, execution_id)
        cancel_batch(user=caller(request), batch_id=batch.pk)
        return Response([str(batch.pk)])


class BatchFiles(_BatchView):
    """/api/{name}/{version}/batch/{executionId}/{index}/files."""

    @extend_schema(
        operation_id="getBatchExecutionFiles",
        tags=_TAGS,
        parameters=[OpenApiParameter("index", {"type": "integer", "minimum": 0}, "path")],
        responses={
            200: {"type": "array", "items": {"type": "string"}},
            **error_responses(400, 404),
        },
    )
    def get(
        self, request: Request, name: str, version: str, execution_id: str, index: str
    ) -> Response:
        """The names of the files that the item returned; its index counts from 0."""
        batch = self.batch(request, name, version, execution_id)
        return Response(reading.file_names(batch.pk, _item_index(batch, index)))


class BatchFile(_BatchView):
    """/api/{name}/{version}/batch/{executionId}/{index}/files/{fileName}."""

    @extend_schema(
        operation_id="getBatchExecutionFile",
        tags=_TAGS,
        parameters=[OpenApiParameter("index", {"type": "integer", "minimum": 0}, "path")],
        responses={
            (200, _BINARY): OpenApiResponse(OpenApiTypes.BINARY),
            **error_responses(400, 404),
        },
    )
    def get(
        self,
        request: Request,
        name: str,
        version: str,
        execution_id: str,
        index: str,
        file_name: str,
    ) -> HttpResponseBase:
        """A file that the item returned."""
        batch = self.batch(request, name, version, execution_id)
        number = _item_index(batch, index)
        size = reading.file_size(batch.pk, number, file_name)
        content = reading.file_content(batch.pk, number, file_name)
        return streamed(request, content, content_type=_BINARY, length=str(size))


def _query(request: Request) -> dict[str, str]:
    """The query's values by lower-case name."""
    return {name.lower(): str(value) for name, value in request.query_params.items()}


def _parallel_count(request: Request) -> int:
    text = _query(request).get("parallelcount")
    if text is None:
        return DEFAULT_PARALLEL_COUNT
    return _integer("parallelCount", text)


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise InvalidRequest(f"{name} must be a whole number.", fields=name)
    return int(text)


def _shows_partial_results(request: Request) -> bool:
    given = _query(request)
    for name in _PARTIAL_RESULTS:
        if name in given:
            value = given[name].lower()
            if value not in ("true", "false"):
                raise InvalidRequest(
                    "showPartialResults must be true or false.", fields="showPartialResults"
                )
            return value == "true"
    return True


def _item_index(batch: Batch, text: str) -> int:
    index = _integer("index", text)
    if not 0 <= index < batch.n_items:
        raise NotFound(f"This batch has items 0 to {batch.n_items - 1}.")
    return index
