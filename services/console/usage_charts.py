"""Charts of recorded figures: of everything, a service, a version or a compute node.

A page passes `usage_of(…)` to its template as `usage`, which includes `services/usage.html`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone

from mlops.console.charts import Chart, Marker, Series
from mlops.usage.minutes import SPANS, Span, moment_of, span_named
from nodes.usage.reading import node_series
from services.models import VersionQuerySet
from services.usage import scopes
from services.usage.reading import series

_MOST_MARKERS = 30
# A version is stored in several steps: what changes so soon belongs to its publishing.
_PUBLISHED_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Choice:
    """A span of time to choose, by its address."""

    label: str
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What the template `services/usage.html` shows."""

    charts: Sequence[Chart]
    choices: Sequence[Choice]
    span: Span
    markers: Sequence[Marker]

    @property
    def part(self) -> str:
        """The address of the charts alone, for pages that keep them up to date."""
        return f"?part=charts&span={self.span.name}"


def usage_of(request: HttpRequest, scope: str, *, versions: VersionQuerySet | None = None) -> Usage:
    """The charts of the scope over the span that `?span=` of the page names.

    `versions` are those whose publishing is marked: only such as the user may consume.
    """
    span, now = span_named(request.GET.get("span", "")), timezone.now()
    choices = []
    for each in SPANS.values():
        query = request.GET.copy()
        query["span"] = each.name
        query.pop("part", None)
        choices.append(Choice(each.label, f"?{query.urlencode()}#usage", each is span))
    markers = [] if versions is None else publish_markers(versions, span, now=now)
    return Usage(charts_for(scope, span, now=now, markers=markers), choices, span, markers)


def charts_for(
    scope: str, span: Span, *, now: datetime, markers: Sequence[Marker] = ()
) -> list[Chart]:
    """Traffic and times of the scope, see `services.usage.scopes`; of all and of nodes shells too.

    Two queries at most.
    """
    charts = calls_of(scope, span, now=now, markers=markers)
    if scope == scopes.EVERYTHING or scopes.node_in(scope):
        charts.append(_shells(scopes.node_in(scope), span, now))
    return charts


def calls_of(
    scope: str, span: Span, *, now: datetime, markers: Sequence[Marker] = ()
) -> list[Chart]:
    """Traffic and times of the scope; one query."""
    found = series(scope, span, now=now)
    return [
        Chart(
            "Calls",
            found.times,
            [
                Series("all calls", found.calls, "primary", "area"),
                Series("failed in their own code", found.failures, "warning"),
                Series("failed on the platform", found.faults, "danger"),
            ],
            unit="a minute",
            markers=markers,
        ),
        Chart(
            "Time of a call",
            found.times,
            [
                Series("median", found.p50, "primary"),
                Series("95 of 100 within", found.p95, "warning"),
                Series("99 of 100 within", found.p99, "danger"),
            ],
            unit="ms",
            markers=markers,
        ),
    ]


def _shells(address: str, span: Span, now: datetime) -> Chart:
    """Of one node; without an address of all."""
    found = node_series(span, now=now, address=address)
    lines: list[Series] = []
    if any(found.python_shells):
        lines.append(Series("Python, busy", found.python_busy, "primary", "area"))
        lines.append(Series("Python, all", found.python_shells, "primary"))
    if any(found.r_shells):
        lines.append(Series("R, busy", found.r_busy, "success", "area"))
        lines.append(Series("R, all", found.r_shells, "success"))
    if any(found.queued):
        lines.append(Series("calls that wait", found.queued, "danger"))
    return Chart("Shells", found.times, lines)


def publish_markers(versions: VersionQuerySet, span: Span, *, now: datetime) -> list[Marker]:
    """When the versions were published or changed within the span, the last ones of many."""
    since = moment_of(span.buckets(now)[0].minute)
    rows = (
        versions.filter(Q(created_at__gte=since) | Q(updated_at__gte=since))
        .order_by(F("updated_at").desc())
        .values_list("service__name", "version", "created_at", "updated_at")[:_MOST_MARKERS]
    )
    markers = []
    for name, version, created_at, updated_at in rows:
        if created_at >= since:
            markers.append(Marker(created_at, f"{name}/{version} published"))
        if updated_at - created_at > _PUBLISHED_WITHIN:
            markers.append(Marker(updated_at, f"{name}/{version} changed"))
    return sorted(markers, key=lambda each: each.at)
