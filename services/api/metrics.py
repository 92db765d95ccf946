"""Metrics for Prometheus."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from mlops.accounts.authentication import BearerAuthentication
from mlops.accounts.metrics_token import MayReadMetrics, MetricsTokenAuthentication
from mlops.rest import CompactJSONRenderer
from nodes.runtime.exposition import CONTENT_TYPE
from services import metrics


class Metrics(APIView):
    """/metrics."""

    authentication_classes = [
        MetricsTokenAuthentication,
        BearerAuthentication,
        SessionAuthentication,
    ]
    permission_classes = [MayReadMetrics]
    renderer_classes = [CompactJSONRenderer]  # of refusals

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002
        """All figures in Prometheus' text format."""
        return HttpResponse(metrics.report(), content_type=CONTENT_TYPE)
