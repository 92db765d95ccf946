"""Reading what was recorded, as charts and lists show it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mlops.usage.minutes import SPANS, minute_of
from services.usage import scopes
from services.usage.reading import failing_versions, series, sparklines, sums, version_sparklines
from tests.services.usage.recorded import NOW, record, record_calls

pytestmark = pytest.mark.django_db

HOUR_SPAN, DAY, WEEK, MONTH = SPANS["1h"], SPANS["24h"], SPANS["7d"], SPANS["30d"]


@pytest.mark.parametrize(
    ("name", "n_points", "step"),
    [("1h", 60, 1), ("24h", 144, 10), ("7d", 168, 60), ("30d", 120, 360)],
)
def test_a_span_has_evenly_spaced_points_up_to_now(name: str, n_points: int, step: int) -> None:
    found = series("", SPANS[name], now=NOW)
    assert len(found.times) == n_points
    gaps = {one - other for one, other in zip(found.times[1:], found.times, strict=False)}
    assert gaps == {timedelta(minutes=step)}
    assert found.times[-1] <= NOW
    assert NOW - found.times[-1] <= timedelta(minutes=step + 2)
    assert found.is_empty
    assert set(found.calls) == {0}
    assert set(found.p95) == set(found.error_rate) == {None}


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d"])
def test_all_calls_of_a_span_are_in_it_once(name: str) -> None:
    span = SPANS[name]
    at = NOW - timedelta(minutes=55)
    record(at, 0.02, 0.03)
    record(at - timedelta(minutes=span.minutes), 0.02)  # before it
    found = series("", span, now=NOW)
    assert found.total == 2
    place = max(place for place, time in enumerate(found.times) if time <= at)
    assert found.calls[place] == pytest.approx(2 / span.step)
    assert sum(found.calls) == found.calls[place]


def test_the_point_that_is_not_over_shows_the_rate_until_now() -> None:
    now = NOW.replace(minute=4, second=15)
    for minute in range(4):
        record_calls(now.replace(minute=minute), 60)
    assert series("", DAY, now=now).calls[-1] == pytest.approx(60)


def test_percentiles_and_errors_are_those_of_each_point() -> None:
    record(NOW - timedelta(minutes=5), *[0.02] * 90)
    record(NOW - timedelta(minutes=5), *[3.0] * 10, status=503, is_success=False)
    found = series(scopes.of_version("churn", "v1"), HOUR_SPAN, now=NOW)
    (place,) = [place for place, calls in enumerate(found.calls) if calls]
    assert found.error_rate[place] == 0.1
    assert found.faults[place] == 10
    p50, p95 = found.p50[place], found.p95[place]
    assert p50 is not None
    assert p95 is not None
    assert 10 <= p50 <= 25
    assert 2500 <= p95 <= 5000


def test_sums_leave_out_what_is_outside_of_the_time() -> None:
    for minutes in (0, 1, 14, 15, 16):
        record_calls(NOW - timedelta(minutes=minutes), 10, failures=1)
    found = sums("", NOW - timedelta(minutes=15), NOW)
    assert (found.calls, found.errors) == (30, 3)


def test_lines_of_services_are_their_last_24_hours() -> None:
    record_calls(NOW, 5, of=scopes.of_service("churn"), failures=1)
    record_calls(NOW - timedelta(hours=3), 15, of=scopes.of_service("churn"), faults=1)
    record_calls(NOW - timedelta(hours=24), 99, of=scopes.of_service("churn"))
    record_calls(NOW, 7, of=scopes.of_service("other"))
    found = sparklines(["churn", "never-called"], now=NOW)
    assert list(found["churn"].calls) == [*[0] * 20, 15, 0, 0, 5]
    assert found["churn"].error_rate == 0.1
    assert found["never-called"].error_rate is None
    assert sum(found["never-called"].calls) == 0
    assert set(found) == {"churn", "never-called"}


def test_lines_of_versions_are_apart() -> None:
    record_calls(NOW, 5, of=scopes.of_version("churn", "v1"))
    found = version_sparklines([("churn", "v1"), ("churn", "v2")], now=NOW)
    assert (found["churn", "v1"].n_calls, found["churn", "v2"].n_calls) == (5, 0)


@pytest.mark.parametrize(
    "read",
    [
        lambda: series("", DAY, now=NOW),
        lambda: sums("", NOW - timedelta(hours=1), NOW),
        lambda: sparklines([f"service-{number}" for number in range(50)], now=NOW),
        lambda: failing_versions(since=NOW - timedelta(minutes=15), now=NOW),
    ],
)
def test_reading_is_one_query(
    read: Callable[[], Any], django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    record(NOW, 0.1)
    with django_assert_max_num_queries(1):
        read()


def test_failing_versions_are_those_with_errors_lately() -> None:
    record(NOW, 0.1, 0.1, name="fails", is_success=False)
    record(NOW, 0.1, name="breaks", status=503, is_success=False)
    record(NOW, 0.1, name="works")
    record(NOW - timedelta(hours=1), 0.1, name="failed", is_success=False)
    found = failing_versions(since=NOW - timedelta(minutes=15), now=NOW)
    assert [(each.name, each.version) for each in found] == [("fails", "v1"), ("breaks", "v1")]
    assert [(each.sums.failures, each.sums.faults) for each in found] == [(2, 0), (0, 1)]


def test_minutes_of_a_resolution_begin_with_it() -> None:
    assert minute_of(NOW, 60) % 60 == 0
