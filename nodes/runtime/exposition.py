"""Prometheus' text format of families that are complete already."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .figures import Histogram

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def as_text(families: Iterable[Metric]) -> bytes:
    """The text of the families, and of what there is to say of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def add_histogram(family: HistogramMetricFamily, labels: Iterable[str], values: Histogram) -> None:
    """Add the histogram to the family under these labels."""
    bounds = [*map(floatToGoString, values.bounds), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(values.counts)), strict=True))
    family.add_metric(list(labels), buckets, sum_value=values.total)


class _Families(Collector):
    """What is there, as the library wants it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families
