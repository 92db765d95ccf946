"""Reading how compute nodes were, for charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Sum

from mlops.usage.minutes import Span
from nodes.models import NodeUsage
from nodes.usage.recording import COLUMNS, EVERY_NODE

Values = list[float | None]


@dataclass(frozen=True, slots=True)
class NodeSeries:
    """Means over each point in time; None where nobody looked."""

    times: Sequence[datetime]
    python_busy: Values
    python_shells: Values
    r_busy: Values
    r_shells: Values
    queued: Values
    milliseconds: Values
    is_empty: bool


def node_series(span: Span, *, now: datetime, address: str = EVERY_NODE) -> NodeSeries:
    """How the node was over the span, or all of them together."""
    buckets = span.buckets(now)
    rows = (
        NodeUsage.objects.filter(
            of=address, resolution=span.resolution, minute__gte=buckets[0].minute
        )
        .annotate(point=F("minute") - F("minute") % span.step)
        .values_list("point")
        .annotate(**{f"sum_{name}": Sum(name) for name in COLUMNS})
    )
    found = {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows}

    def means(name: str, over: str = "looks") -> Values:
        return [
            row[name] / row[over] if row and row[over] else None
            for row in (found.get(bucket.minute) for bucket in buckets)
        ]

    return NodeSeries(
        times=[bucket.at for bucket in buckets],
        python_busy=means("python_busy"),
        python_shells=means("python_shells"),
        r_busy=means("r_busy"),
        r_shells=means("r_shells"),
        queued=means("queued"),
        milliseconds=means("milliseconds", over="answers"),
        is_empty=not found,
    )
