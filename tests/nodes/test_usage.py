"""The recorded load of compute nodes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.usage.minutes import HOUR, MINUTE, SPANS, minute_of
from nodes.models import NodeDrain, NodeEntry, NodeHealth, NodeUsage
from nodes.usage.reading import node_series
from nodes.usage.recording import EVERY_NODE, record_nodes

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
FIRST, SECOND = "http://node-1:12805/", "http://node-2:12805/"
HOUR_SPAN, DAY, WEEK = SPANS["1h"], SPANS["24h"], SPANS["7d"]


def look_at(
    address: str, *, busy: int, shells: int = 4, at: datetime = NOW, state: str = "ready"
) -> None:
    """The node was seen like this just before."""
    pool = {"available": True, "activeShellCount": busy, "currentPoolSize": shells}
    report = {"runtimes": {"Python": pool}, "load": {"running": busy, "queued": 2}}
    values: dict[str, Any] = {
        "state": state,
        "report": report,
        "last_probe_at": at,
        "last_seen_at": at,
        "latencies": [2.0],
    }
    NodeEntry.objects.get_or_create(uri=address)
    NodeHealth.objects.update_or_create(address=address, defaults=values)


def row(of: str, resolution: int = MINUTE) -> NodeUsage:
    return NodeUsage.objects.get(of=of, resolution=resolution)


def test_each_node_and_all_together_have_their_shells() -> None:
    look_at(FIRST, busy=3)
    look_at(SECOND, busy=1)
    record_nodes(now=NOW)
    assert [row(of).python_busy for of in (FIRST, SECOND, EVERY_NODE)] == [3, 1, 4]
    total = row(EVERY_NODE)
    assert (total.looks, total.python_shells, total.queued, total.ready) == (1, 8, 4, 2)
    assert total.milliseconds / total.answers == 2.0


def test_states_are_those_of_the_moment() -> None:
    look_at(FIRST, busy=0, state="down")
    look_at(SECOND, busy=1)
    NodeDrain.objects.create(uri=SECOND)
    NodeEntry.objects.create(uri="http://node-3:12805/")
    record_nodes(now=NOW)
    total = row(EVERY_NODE)
    assert (total.ready, total.down, total.draining, total.unknown) == (0, 1, 1, 1)
    assert row(FIRST).python_shells == 0  # whatever it said before it went down
    assert row(SECOND).python_busy == 1


def test_two_looks_in_a_minute_make_their_mean() -> None:
    for busy in (1, 3):
        look_at(FIRST, busy=busy)
        record_nodes(now=NOW)
    found = node_series(HOUR_SPAN, now=NOW + timedelta(minutes=1), address=FIRST)
    assert found.python_busy[-1] == 2
    assert found.python_shells[-1] == 4
    assert found.r_busy[-1] == 0
    assert found.milliseconds[-1] == 2.0


def test_hours_are_the_mean_of_their_minutes() -> None:
    for minutes, busy in ((0, 4), (20, 2)):
        at = NOW + timedelta(minutes=minutes)
        look_at(FIRST, busy=busy, at=at)
        record_nodes(now=at)
    hour = row(FIRST, HOUR)
    assert (hour.minute, hour.looks, hour.python_busy) == (minute_of(NOW, HOUR), 2, 6)
    found = node_series(WEEK, now=NOW + timedelta(minutes=40))
    assert found.python_busy[-1] == 3


def test_where_nobody_looked_there_is_nothing() -> None:
    look_at(FIRST, busy=1)
    record_nodes(now=NOW)
    found = node_series(DAY, now=NOW + timedelta(hours=2))
    assert [busy for busy in found.python_busy if busy is not None] == [1]
    assert len(found.times) == len(found.python_busy) == 144


def test_without_nodes_nothing_is_recorded() -> None:
    record_nodes(now=NOW)
    assert not NodeUsage.objects.exists()
    assert node_series(DAY, now=NOW).is_empty


def test_a_thousand_nodes_take_few_queries(django_assert_max_num_queries: Any) -> None:
    known = [
        NodeHealth(address=f"http://10.0.0.{n % 200}:{n}/", state="ready", last_probe_at=NOW)
        for n in range(1, 1001)
    ]
    NodeHealth.objects.bulk_create(known)
    with django_assert_max_num_queries(12):
        record_nodes(now=NOW)
    assert row(EVERY_NODE).ready == 1000
