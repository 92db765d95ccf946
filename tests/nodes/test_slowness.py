"""Slow nodes are known from the others' times for the same bundles."""

import pytest

from nodes.slowness import Slowness

A, B, C = "a", "b", "c"


class Watch:
    """Notes calls and looks every half second."""

    def __init__(self) -> None:
        self.slowness = Slowness()
        self.now = 1000.0

    def look(self, n_calls: int = 20, bundle_id: str = "x", **seconds: float) -> dict[str, float]:
        """The factors after half a second in which each node took so long for each call."""
        self.now += 0.5
        for address, each in seconds.items():
            for _ in range(n_calls):
                self.slowness.note(address, bundle_id, each)
        self.slowness.weigh(self.slowness.taken(), self.now)
        return self.slowness.factors


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_nodes_that_take_about_as_long_are_not_slow(watch: Watch) -> None:
    assert watch.look(a=0.010, b=0.012, c=0.011) == {}


def test_a_node_that_takes_ten_times_as_long_is_slow_at_once(watch: Watch) -> None:
    factors = watch.look(a=0.1, b=0.01, c=0.01)
    assert set(factors) == {A}
    assert 5 < factors[A] < 12


def test_a_factor_is_bounded(watch: Watch) -> None:
    for _ in range(10):
        factors = watch.look(n_calls=1000, a=3600, b=0.001)
    assert 80 < factors[A] <= 100


def test_of_two_nodes_with_different_bundles_none_is_slow(watch: Watch) -> None:
    watch.look(bundle_id="quick", a=0.001)
    assert watch.look(bundle_id="long", b=60.0) == {}


def test_a_node_is_slow_by_what_others_run_too(watch: Watch) -> None:
    watch.look(bundle_id="long", a=5, b=5)
    assert set(watch.look(bundle_id="quick", a=0.001, b=0.1)) == {B}


def test_one_odd_call_among_many_does_not_make_a_node_slow(watch: Watch) -> None:
    for _ in range(40):
        watch.slowness.note(A, "x", 0.01)
        watch.slowness.note(B, "x", 0.01)
    watch.slowness.note(A, "x", 10.0)
    assert watch.look() == {}


def test_one_call_alone_tells_little(watch: Watch) -> None:
    watch.look(a=0.01, b=0.01)
    assert watch.look(n_calls=1, a=1.0).get(A, 1) < 6


def test_a_node_without_calls_is_tried_again_after_ten_seconds(watch: Watch) -> None:
    assert watch.look(a=1.0, b=0.01)[A] > 20
    factors = [watch.look(b=0.01).get(A, 1.0) for _ in range(20)]
    assert factors == sorted(factors, reverse=True)
    assert factors[3] > 5
    assert factors[-1] < 1.5


def test_differences_of_a_millisecond_do_not_matter(watch: Watch) -> None:
    assert watch.look(a=0.0011, b=0.0002) == {}


def test_old_times_are_forgotten(watch: Watch) -> None:
    watch.look(b=0.01)
    watch.now += 60
    watch.look()
    assert watch.look(a=1.0) == {}
    assert list(watch.slowness._usual["x"]) == [A]
