"""All routes: the REST API at the root, the console under /console/."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from mlops.console.site import site


@csrf_exempt
def ping(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """An anonymous sign of life for load balancers (wire-api section 6)."""
    return HttpResponse("pong", content_type="text/plain")


to_console = RedirectView.as_view(pattern_name="console:index", http_method_names=["get", "head"])

urlpatterns = [
    path("", to_console, name="root"),
    path("console", to_console),
    path("console/", site.urls),
    path("ping", ping, name="ping"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="openapi"), name="docs"),
    path("", include("mlops.accounts.urls")),
    path("", include("nodes.urls")),
    path("", include("services.urls")),
]

handler400 = "mlops.console.refusals.bad_request"
handler403 = "mlops.console.refusals.forbidden"
handler404 = "mlops.console.refusals.not_found"
handler500 = "mlops.console.refusals.server_error"
