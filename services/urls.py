"""Routes of this app, mounted at the root."""

from django.urls import path

from services.api.consumption import Consume, SwaggerDocument
from services.api.pools import ServicePool
from services.api.services import AllServices, ServiceByName, ServiceVersion

app_name = "services"

urlpatterns = [
    # /services
    path("services", AllServices.as_view(), name="all"),
    path("services/<str:name>", ServiceByName.as_view(), name="by-name"),
    path("services/<str:name>/<str:version>", ServiceVersion.as_view(), name="version"),
    path("services/<str:name>/<str:version>/pool", ServicePool.as_view(), name="pool"),
    # /api
    path("api/<str:name>/<str:version>", Consume.as_view(), name="consume"),
    path("api/<str:name>/<str:version>/swagger.json", SwaggerDocument.as_view(), name="swagger"),
]
