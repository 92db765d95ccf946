"""Metrics as a program sees them: read with Prometheus' own parser."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Figures:
    """The samples of one answer."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]
        series = [(each.name, *sorted(each.labels.items())) for each in self.samples]
        assert len(set(series)) == len(series), "a series is there twice"

    def of(self, name: str, /, **labels: str) -> list[Sample]:
        """The samples of this name that have these labels, and perhaps others."""
        return [
            sample
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def sum(self, name: str, /, **labels: str) -> float:
        """What they add up to."""
        return sum(sample.value for sample in self.of(name, **labels))

    def rise(self, before: "Figures", name: str, /, **labels: str) -> float:
        """By how much that has risen."""
        return self.sum(name, **labels) - before.sum(name, **labels)


def require_histogram(samples: Iterable[Sample], count: float) -> None:
    """The buckets of one series never fall, and the last of them has everything."""
    values = [sample.value for sample in samples]
    assert values == sorted(values)
    assert values[-1] == count
