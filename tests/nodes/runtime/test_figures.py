"""Numbers kept in memory stay few, and mean what they are said to."""

from nodes.runtime import figures
from nodes.runtime.figures import Calls, Histogram


def test_a_value_on_a_bound_counts_as_not_above_it() -> None:
    histogram = Histogram([1.0, 2.0])
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 7.5


def test_what_the_node_does_not_hold_any_more_is_dropped() -> None:
    calls = Calls()
    for bundle_id in ("a", "b"):
        calls.note(bundle_id, "Python", status=200, is_success=True)
    calls.forget_all_but({"b"})
    assert calls.by_bundle == {"b": {("Python", 200, True): 1}}


def test_of_too_many_bundles_the_first_are_forgotten() -> None:
    calls = Calls()
    for number in range(figures._MOST_BUNDLES + 2):
        calls.note(str(number), "Python", status=200, is_success=True)
    assert len(calls.by_bundle) == figures._MOST_BUNDLES
    assert next(iter(calls.by_bundle)) == "2"
