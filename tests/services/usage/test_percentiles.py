"""Percentiles from histograms, beside those of all values."""

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.runtime.figures import SECONDS
from services.usage.percentiles import percentile
from services.usage.recording import COLUMNS, N_TIMES
from tests.services.usage.recorded import histogram

pytestmark = pytest.mark.any_database

TIMES = st.lists(st.floats(0, 59, allow_nan=False), min_size=1, max_size=200)


@given(times=TIMES, share=st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_lies_within_the_bounds_around_the_right_one(
    times: list[float], share: float
) -> None:
    right = float(np.percentile(times, share * 100, method="inverted_cdf"))
    place = bisect_left(SECONDS, right)
    lower = SECONDS[place - 1] if place else 0
    found = percentile(histogram(times), share)
    assert found is not None
    assert lower <= found <= SECONDS[place]


def test_calls_between_two_bounds_are_taken_to_be_spread_evenly() -> None:
    times = list(np.linspace(0.0501, 0.1, 100))
    found = percentile(histogram(times), 0.5)
    assert found == pytest.approx(np.percentile(times, 50), rel=0.02)


def test_without_calls_there_is_none() -> None:
    assert percentile(histogram([]), 0.5) is None


def test_beyond_all_bounds_it_is_the_last_one() -> None:
    assert percentile(histogram([1000.0]), 0.5) == SECONDS[-1]


def test_there_is_a_column_for_each_bound_and_one_beyond() -> None:
    assert COLUMNS[-N_TIMES:] == tuple(f"t{place}" for place in range(len(SECONDS) + 1))
