"""Prometheus' text format of figures that are complete already."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .figures import Histogram

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class HistogramFamily:
    """Histograms of one name.

    The library's own class takes many times as long to become text, and a web node with a thousand
    versions has a thousand histograms of some twenty lines, while its event loop waits.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._labels = labels
        self._lines = [f"# HELP {name} {documentation}\n# TYPE {name} histogram\n"]

    def add(self, values: Sequence[str], histogram: Histogram) -> None:
        """Add the histogram that has these values as labels."""
        pairs = zip(self._labels, values, strict=True)
        labels = ",".join([f'{label}="{value.translate(_ESCAPES)}"' for label, value in pairs])
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        counts = list(accumulate(histogram.counts))
        start = f'{self._name}_bucket{{{labels},le="'
        self._lines += [
            f'{start}{bound}"}} {count}\n' for bound, count in zip(bounds, counts, strict=True)
        ]
        self._lines.append(
            f"{self._name}_sum{{{labels}}} {float(histogram.total)}\n"
            f"{self._name}_count{{{labels}}} {counts[-1]}\n"
        )

    def text(self) -> bytes:
        """All of them as text."""
        return "".join(self._lines).encode()


def as_text(families: Iterable[Metric], histograms: Iterable[HistogramFamily]) -> bytes:
    """The text of all these, and of what there is to say of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    ProcessCollector(registry=registry)
    return generate_latest(registry) + b"".join([family.text() for family in histograms])


class _Families(Collector):
    """What is there, as the library wants it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families
