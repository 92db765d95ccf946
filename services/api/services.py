"""The service management calls (wire-api section 2)."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops.accounts.permissions import IsContributor, IsReader
from mlops.representation import caller, caller_of, error_responses
from services.actions.delete import delete_version
from services.actions.lookup import version_to_consume
from services.actions.patch import patch_version
from services.actions.publish import publish_version
from services.api.representation import PatchRequest, PublishRequest, WebService
from services.models import Version, VersionQuerySet
from services.permissions import consumable

VERSION_ANSWER = OpenApiResponse(OpenApiTypes.STR, description="The version.")
_TAGS = ["Services"]


def _described(versions: VersionQuerySet, request: Request) -> list[Any]:
    """The versions that the caller may consume, oldest first."""
    who = caller_of(request)
    found: Any = consumable(versions, who).select_related("service")  # many=True takes several
    return list(WebService(found, many=True, context={"caller": who}).data)


def _publish(request: Request, name: str, version: str | None) -> Response:
    """Publish what the body says and answer with the version's name."""
    body = PublishRequest.of(request)
    published = publish_version(
        user=caller(request), name=name, version=version, definition=body.definition()
    )
    return Response(published.version, status=status.HTTP_201_CREATED)


class _ServicesView(APIView):
    """Readers may look; publishing needs a Contributor; the actions check ownership."""

    audits = {"POST": "publish version", "PATCH": "change version", "DELETE": "delete version"}

    def get_permissions(self) -> list[BasePermission]:
        """The role check for this method, before the body is read."""
        return [IsContributor() if self.request.method == "POST" else IsReader()]


class AllServices(_ServicesView):
    """/services."""

    @extend_schema(
        operation_id="getAllServices",
        tags=_TAGS,
        responses={200: WebService(many=True), **error_responses()},
    )
    def get(self, request: Request) -> Response:
        """All versions of all services, oldest first, but for those that grants keep for others."""
        return Response(_described(Version.objects.all(), request))


class ServiceByName(_ServicesView):
    """/services/{name}."""

    @extend_schema(
        operation_id="getAllServicesByName",
        tags=_TAGS,
        responses={200: WebService(many=True), **error_responses()},
    )
    def get(self, request: Request, name: str) -> Response:
        """All versions of one service, oldest first; an unknown name gives an empty list.

        So does a service that grants keep for others.
        """
        return Response(_described(Version.objects.named(name), request))

    @extend_schema(
        operation_id="publishWebService",
        tags=_TAGS,
        request={"application/json": PublishRequest},
        responses={201: VERSION_ANSWER, **error_responses(400, 409, 413)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Publish a service under a generated version, which is the answer."""
        return _publish(request, name, None)


class ServiceVersion(_ServicesView):
    """/services/{name}/{version}."""

    @extend_schema(
        operation_id="getAllServicesByNameAndVersion",
        tags=_TAGS,
        responses={200: WebService(many=True), **error_responses(404)},
    )
    def get(self, request: Request, name: str, version: str) -> Response:
        """A list with the one version."""
        who = caller_of(request)
        found = version_to_consume(caller=who, name=name, version=version)
        return Response([WebService(found, context={"caller": who}).data])

    @extend_schema(
        operation_id="publishWebServiceVersion",
        tags=_TAGS,
        request={"application/json": PublishRequest},
        responses={201: VERSION_ANSWER, **error_responses(400, 409, 413)},
    )
    def post(self, request: Request, name: str, version: str) -> Response:
        """Publish a version of a service."""
        return _publish(request, name, version)

    @extend_schema(
        operation_id="patchWebServiceVersion",
        tags=_TAGS,
        request={"application/json": PatchRequest},
        responses={200: VERSION_ANSWER, **error_responses(400, 404, 413)},
    )
    def patch(self, request: Request, name: str, version: str) -> Response:
        """Change a version: what is absent or null stays, an empty list clears."""
        body = PatchRequest.of(request)
        patched = patch_version(
            user=caller(request), name=name, version=version, definition=body.definition()
        )
        return Response(patched.version)

    @extend_schema(
        operation_id="deleteWebServiceVersion",
        tags=_TAGS,
        responses={200: OpenApiResponse(description="Deleted."), **error_responses(404)},
    )
    def delete(self, request: Request, name: str, version: str) -> Response:
        """Delete a version."""
        delete_version(user=caller(request), name=name, version=version)
        return Response()
