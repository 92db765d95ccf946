"""What the pages of compute nodes say of versions, and of the calls that ended there."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.http import HttpRequest

from mlops.console.charts import Chart
from mlops.console.pages import caller_of
from mlops.usage.minutes import Span
from nodes.console.extensions import Named, chart_nodes_with, name_bundles_with
from services.console.batches import version_address
from services.console.usage_charts import calls_of
from services.models import Version
from services.permissions import consumable
from services.usage import scopes


def versions_of(request: HttpRequest, bundle_ids: Collection[str]) -> Mapping[str, Named]:
    """The versions that the bundles are of, those that the user may consume; the newest of
    several that are alike."""
    versions = (
        Version.objects.filter(bundle_id__in=bundle_ids)
        .select_related("service")
        .only("service__name", "version", "bundle_id")
    )
    return {
        version.bundle_id: Named(str(version), version_address(version))
        for version in consumable(versions, caller_of(request)).order_by("created_at", "pk")
    }


def charts_of(address: str, span: Span, now: datetime) -> list[Chart]:
    """Calls that ended on the node, and how long they took."""
    return calls_of(scopes.of_node(address), span, now=now)


name_bundles_with(versions_of)
chart_nodes_with(charts_of)
