"""What hangs on compute nodes."""

from typing import Any

import pytest
from django.utils import timezone

from mlops.accounts.models import User
from nodes.dependents import dependents, known_members
from nodes.models import NodeHealth, Session

pytestmark = pytest.mark.django_db

A, B, C = (f"http://10.0.0.{n}:12805/" for n in (1, 2, 3))


def create_health(address: str, **fields: Any) -> NodeHealth:
    now = timezone.now()
    seen = {"state": "ready", "last_seen_at": now, "last_probe_at": now, "since": now}
    return NodeHealth.objects.create(address=address, **(seen | fields))


def test_calls_sessions_pools_and_what_is_warm_nowhere_else(alice: User) -> None:
    pools = [{"bundle": "p1"}]
    load = {"running": 2, "queued": 1}
    create_health(A, report={"load": load, "loaded": ["b1", "b2"], "pools": pools})
    create_health(B, report={"load": load, "loaded": ["b2"]})
    held = Session.objects.create(owner=alice, runtime="Python", node=A)
    Session.objects.create(owner=alice, runtime="Python", node=B)
    found = dependents([A])
    assert (found.n_calls, found.sessions, found.n_sessions) == (3, (held,), 1)
    assert (found.pools, found.only_warm, found.are_last) == (("p1",), ("b1",), False)


def test_what_only_silent_nodes_have_is_warm_nowhere_else(alice: User) -> None:
    create_health(A, report={"loaded": ["b1"]})
    create_health(B, state="down", report={"loaded": ["b1"]})
    found = dependents([A])
    assert (found.only_warm, found.are_last) == (("b1",), True)


def test_of_many_sessions_the_first_are_named_and_all_counted(alice: User) -> None:
    for _ in range(60):
        Session.objects.create(owner=alice, runtime="R", node=A)
    found = dependents([A])
    assert (len(found.sessions), found.n_sessions, found.n_more_sessions) == (50, 60, 10)


def test_it_takes_two_statements(alice: User, django_assert_num_queries: Any) -> None:
    for n in range(20):
        create_health(f"http://10.0.1.{n}:12805/")
        Session.objects.create(owner=alice, runtime="R", node=f"http://10.0.1.{n}:12805/")
    with django_assert_num_queries(2):
        assert dependents([f"http://10.0.1.{n}:12805/" for n in range(20)]).n_sessions == 20


def test_members_of_ranges_are_those_that_are_known() -> None:
    create_health(A)
    create_health(B)
    assert known_members(["http://10.0.0.1-200:12805/", C]) == [A, B, C]
