"""Routes of this app, mounted at the root."""

from django.urls import path

from services.api.batches import BatchById, Batches, BatchFile, BatchFiles
from services.api.consumption import Consume, SwaggerDocument
from services.api.grants import GrantsOfService
from services.api.metrics import Metrics
from services.api.pools import ServicePool
from services.api.realtime import RealtimeByName, RealtimeVersion
from services.api.services import AllServices, ServiceByName, ServiceVersion

app_name = "services"

_BATCH = "api/<str:name>/<str:version>/batch/<str:execution_id>"

urlpatterns = [
    # /services
    path("services", AllServices.as_view(), name="all"),
    path("services/<str:name>", ServiceByName.as_view(), name="by-name"),
    path("services/<str:name>/<str:version>", ServiceVersion.as_view(), name="version"),
    path("services/<str:name>/<str:version>/pool", ServicePool.as_view(), name="pool"),
    # /realtime-services
    path("realtime-services/<str:name>", RealtimeByName.as_view(), name="realtime-by-name"),
    path(
        "realtime-services/<str:name>/<str:version>",
        RealtimeVersion.as_view(),
        name="realtime-version",
    ),
    # /grants
    path("grants/<str:name>", GrantsOfService.as_view(), name="grants"),
    # /api
    path("api/<str:name>/<str:version>", Consume.as_view(), name="consume"),
    path("api/<str:name>/<str:version>/swagger.json", SwaggerDocument.as_view(), name="swagger"),
    # /api/{name}/{version}/batch
    path("api/<str:name>/<str:version>/batch", Batches.as_view(), name="batches"),
    path(_BATCH, BatchById.as_view(), name="batch"),
    path(f"{_BATCH}/<str:index>/files", BatchFiles.as_view(), name="batch-files"),
    path(f"{_BATCH}/<str:index>/files/<str:file_name>", BatchFile.as_view(), name="batch-file"),
    # /metrics
    path("metrics", Metrics.as_view(), name="metrics"),
]
