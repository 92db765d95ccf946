"""Prometheus' text, read again with its own parser."""

from nodes.runtime.exposition import HistogramFamily, as_text
from nodes.runtime.figures import Histogram
from tests.figures import Figures

LABELS = ["name", "pool"]


def test_histograms_are_read_as_they_were() -> None:
    line = 'a "b"\\n, {c="d"}\n\\'
    family = HistogramFamily("seconds", "Time.", LABELS)
    histogram = Histogram([0.5, 1.0])
    for value in (0.25, 0.75, 0.75, 8.0):
        histogram.observe(value)
    family.add([line, "größe"], histogram)
    family.add(["other", ""], Histogram([0.5, 1.0]))
    figures = Figures(as_text([], [family]).decode())
    (read,) = [family for family in figures.families if family.name == "seconds"]
    assert (read.type, read.documentation) == ("histogram", "Time.")
    labels = {"name": line, "pool": "größe"}
    buckets = figures.of("seconds_bucket", **labels)
    assert [(each.labels["le"], each.value) for each in buckets] == [
        ("0.5", 1),
        ("1.0", 3),
        ("+Inf", 4),
    ]
    assert figures.sum("seconds_sum", **labels) == 9.75
    assert figures.sum("seconds_count", **labels) == 4
    assert figures.sum("seconds_count", name="other") == 0


def test_a_family_without_histograms_is_there_all_the_same() -> None:
    text = as_text([], [HistogramFamily("seconds", "Time.", LABELS)]).decode()
    assert [each.samples for each in Figures(text).families if each.name == "seconds"] == [[]]
