"""What other apps add to the pages of nodes, which know nothing of those apps."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from mlops.console.charts import Chart
from mlops.usage.minutes import Span

MoreCharts = Callable[[str, Span, datetime], list[Chart]]
BundleNames = Callable[[HttpRequest, Collection[str]], "Mapping[str, Named]"]


@dataclass(frozen=True, slots=True)
class Named:
    """What a bundle is for people, and its page."""

    text: str
    address: str


def _nobody_knows(_: HttpRequest, __: Collection[str]) -> Mapping[str, Named]:
    return {}


_names: BundleNames = _nobody_knows


def name_bundles_with(names: BundleNames) -> None:
    """Have `names` say what bundles are; it leaves out those that the user may not see."""
    global _names
    _names = names


def names_of(request: HttpRequest, bundle_ids: Collection[str]) -> Mapping[str, Named]:
    """What is known of the bundles that the user may see, by id."""
    return _names(request, bundle_ids) if bundle_ids else {}


def _no_charts(_: str, __: Span, ___: datetime) -> list[Chart]:
    return []


_charts: MoreCharts = _no_charts


def chart_nodes_with(charts: MoreCharts) -> None:
    """Have `charts` draw what else is recorded of a node over a span."""
    global _charts
    _charts = charts


def charts_of(address: str, span: Span, now: datetime) -> list[Chart]:
    """What else is recorded of the node."""
    return [chart for chart in _charts(address, span, now) if not chart.is_empty]
