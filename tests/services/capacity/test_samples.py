"""Options and figures of a capacity evaluation."""

import json

import pytest

from mlops.errors import InvalidRequest
from services.capacity import report
from services.capacity.options import LATENCY, THREAD, Options
from services.capacity.samples import MOST_POINTS, Samples

pytestmark = pytest.mark.any_database
STAGES = {"web": 3.0, "shell": 0.5, "load": 0.0, "hop": 0.5, "node": 1.5}


def test_the_strategy_thread_goes_from_the_least_to_the_most() -> None:
    assert list(Options(THREAD, min_threads=10, max_threads=35).steps()) == [10, 20, 30]
    assert list(Options(THREAD).steps()) == [10, 20, 30, 40, 50]


def test_the_strategy_latency_goes_on_within_bounds() -> None:
    steps = Options(LATENCY, max_threads=20).steps()
    assert steps[:4] == range(10, 50, 10)
    assert max(steps) <= 500


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("strategy", {"strategy": "luck"}),
        ("latency", {"latency": 0}),
        ("min_threads", {"min_threads": 0}),
        ("max_threads", {"max_threads": 1000}),
        ("max_threads", {"max_threads": 5}),
        ("increment", {"increment": 0}),
        ("increment", {"max_threads": 500, "increment": 1}),
        ("seconds", {"seconds": float("nan")}),
        ("service", {"service": "churn"}),
        ("inputs", {"inputs": "[1]"}),
        ("inputs", {"inputs": "{"}),
    ],
)
def test_options_that_cannot_be_right_are_named(field: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Options.of({"strategy": THREAD, **options})
    assert refusal.value.fields == field


def test_many_calls_are_thinned_and_the_figures_are_of_all() -> None:
    samples = Samples()
    for index in range(5 * MOST_POINTS):
        samples.add(float(index), float(index % 100), STAGES)
    step = samples.report(threads=10, seconds=5, overhead=9.5)
    assert step["calls"] == 5 * MOST_POINTS
    assert step["every"] == 8
    assert len(step["points"]) == 5 * MOST_POINTS / 8
    assert [point[0] for point in step["points"][:3]] == [0, 8, 16]
    assert step["latency"] == pytest.approx(40)
    assert step["p50"] == 50
    assert step["slowest"] == 99
    assert step["perSecond"] == MOST_POINTS


def test_a_step_without_calls_has_a_report() -> None:
    samples = Samples()
    samples.fail("503: busy")
    step = samples.report(threads=1, seconds=1, overhead=1)
    assert (step["calls"], step["failed"], step["latency"]) == (0, 1, 0)
    assert step["lastFailure"] == "503: busy"


def test_the_report_is_a_file_without_addresses_and_cannot_be_broken_out_of() -> None:
    samples = Samples()
    samples.add(1.0, 5.0, STAGES)
    measured = {
        "service": "</script><script>alert(1)</script>",
        "endpoint": "http://web",
        "startedAt": "2026-11-22T09:30:00+00:00",
        "options": Options(THREAD).as_json(),
        "overhead": 0.5,
        "steps": [samples.report(threads=25, seconds=1, overhead=0.5)],
        "stopped": "",
    }
    text = report.html(measured)
    assert report.file_name(measured) == "perf-run-2026-11-22-093000.html"
    assert "25 threads" in text
    assert "<script>alert(1)" not in text
    assert "src=" not in text
    assert "<link" not in text
    data = text.split('id="capacity-data">')[1].split("</script>")[0]
    assert json.loads(data)["steps"][0]["points"] == [[1.0, 5.0, 3.0, 0.5, 0.0, 0.5, 1.5]]
