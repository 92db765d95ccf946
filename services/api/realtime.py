"""Publishing and patching models (wire-api sections 2 and 11)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsContributor, IsReader
from mlops.errors import InvalidRequest
from mlops.multipart import Form, read_form
from mlops.representation import Text, caller, caller_of, error_responses
from nodes.api.streaming import NoParser, body_chunks
from services.actions.patch_realtime import patch_realtime
from services.actions.publish_realtime import publish_realtime
from services.api.services import VERSION_ANSWER
from services.model_files import ModelFile
from services.permissions import require_publish
from services.schema import Definition

_TAGS = ["Services"]
_MODEL = (
    "The bytes `blob`, a format tag of four bytes, and the model: `blobONNX` and an ONNX model."
)


@extend_schema_field(OpenApiTypes.BINARY)
class ModelPart(serializers.FileField):
    """A file in a form."""


class RealtimePatchForm(serializers.Serializer[Any]):
    """What a patch of a realtime version may say; absent parts leave what there is."""

    model = ModelPart(required=False, help_text=_MODEL)
    description = Text(required=False)
    operationId = Text(  # noqa: N815 - the contract's spelling
        required=False, help_text="Alias for the operation in swagger.json."
    )


class RealtimeForm(RealtimePatchForm):
    """What the publishing of a realtime version says."""

    model = ModelPart(help_text=_MODEL)


def _publish(request: Request, name: str, version: str | None) -> Response:
    """Publish the form's model and answer with the version's name."""
    require_publish(name, caller_of(request))  # before the model is sent
    with ModelFile() as model:
        form = _read(request, model)
        if not form.has_file:
            raise InvalidRequest(
                "The form has no part called model: send the file in it.", fields="model"
            )
        published = publish_realtime(
            user=caller(request),
            name=name,
            version=version,
            model=model,
            definition=_definition(form),
        )
    return Response(published.version, status=status.HTTP_201_CREATED)


def _read(request: Request, model: ModelFile) -> Form:
    """The request's form, its file written to `model`."""
    content_type = request.META.get("CONTENT_TYPE", "")
    return read_form(
        body_chunks(request), content_type=content_type, file="model", sink=model.write
    )


def _definition(form: Form) -> Definition:
    return Definition(
        description=form.texts.get("description"), operation_id=form.texts.get("operationid")
    )


class _RealtimeView(APIView):
    """Publishing needs a Contributor; the actions check ownership."""

    parser_classes = (NoParser,)
    audits = {"POST": "publish version", "PATCH": "change version"}

    def get_permissions(self) -> list[BasePermission]:
        """The role check for this method, before the body is read."""
        return [IsContributor() if self.request.method == "POST" else IsReader()]


class RealtimeByName(_RealtimeView):
    """/realtime-services/{name}."""

    @extend_schema(
        operation_id="publishRealtimeWebService",
        tags=_TAGS,
        request={"multipart/form-data": RealtimeForm},
        responses={201: VERSION_ANSWER, **error_responses(400, 409, 413, 503)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Publish a model as a service under a generated version, which is the answer."""
        return _publish(request, name, None)


class RealtimeVersion(_RealtimeView):
    """/realtime-services/{name}/{version}."""

    @extend_schema(
        operation_id="publishRealtimeWebServiceVersion",
        tags=_TAGS,
        request={"multipart/form-data": RealtimeForm},
        responses={201: VERSION_ANSWER, **error_responses(400, 409, 413, 503)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Publish a model as a version of a service."""
        return _publish(request, name, version)

    @extend_schema(
        operation_id="patchRealtimeWebServiceVersion",
        tags=_TAGS,
        request={"multipart/form-data": RealtimePatchForm},
        responses={200: VERSION_ANSWER, **error_responses(400, 404, 413, 503)},
    )
    def patch(self, request: Request, name: str, version: str) -> Response:
        """Change a realtime version: parts that are absent leave what there is."""
        with ModelFile() as model:
            form = _read(request, model)
            patched = patch_realtime(
                user=caller(request),
                name=name,
                version=version,
                model=model if form.has_file else None,
                definition=_definition(form),
            )
        return Response(patched.version)
