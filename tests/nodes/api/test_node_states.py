"""/computenodes/states, /computenodes/drain and /computenodes/resume."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mlops import __version__
from mlops.accounts.models import User
from nodes.declared import drained_entries
from nodes.health import record
from nodes.models import NodeEntry
from nodes.state import Sighting
from tests.services.api.exchange import body_of, error_of

ONE, TWO = "http://10.0.0.1:12805/", "http://10.0.0.2:12805/"
IDS = {"drain": "drainComputeNodes", "resume": "resumeComputeNodes"}
REPORT = {
    "version": "0.0.1",
    "apiVersion": "1.0",
    "runtimes": {},
    "capacity": 4,
    "sessions": 2,
    "load": {"running": 3, "queued": 1},
}


@pytest.fixture
def owner(admin: User, client_for: Callable[[User], APIClient]) -> APIClient:
    for uri in (ONE, TWO):
        NodeEntry.objects.create(uri=uri)
    return client_for(admin)


def change(client: APIClient, word: str, *entries: Any) -> Any:
    return client.post(f"/computenodes/{word}", {"entries": entries}, format="json")


def states(client: APIClient) -> dict[str, dict[str, Any]]:
    body = body_of(client.get("/computenodes/states"), 200, "getComputeNodeStates")
    return {node["uri"]: node for node in body["computeNodes"]}


def test_each_node_is_shown_with_what_was_seen_of_it(owner: APIClient) -> None:
    now = timezone.now()
    record([Sighting(ONE, now, report=REPORT, milliseconds=2.5), Sighting(TWO, now, "refused")])
    one, two = states(owner).values()
    assert (one["state"], one["version"], one["apiVersion"]) == ("ready", "0.0.1", "1.0")
    assert one["note"] == f"It runs version 0.0.1 of the software, this web node {__version__}."
    assert (one["latency"], one["latencies"], one["processors"]) == (2.5, [2.5], 4)
    assert (one["calls"], one["sessions"]) == (4, 2)
    assert (two["state"], two["reason"]) == ("down", "It has never answered. refused")


def test_a_node_is_drained_and_resumed(owner: APIClient) -> None:
    assert change(owner, "drain", ONE).status_code == 200
    assert states(owner)[ONE]["state"] == "draining"
    assert states(owner)[ONE]["drainedBy"] == "admin"
    assert change(owner, "resume", ONE).status_code == 200
    assert states(owner)[ONE]["drainedBy"] is None


@pytest.mark.parametrize("word", IDS)
def test_a_wrong_entry_is_400_and_nothing_changes(owner: APIClient, word: str) -> None:
    change(owner, "drain", TWO)
    for entries in ([TWO, "http://10.0.0.3"], [TWO, "nonsense"], [7]):
        error = error_of(change(owner, word, *entries), 400, IDS[word])
        assert "entries" in error["fields"]
        assert drained_entries() == [TWO]


@pytest.mark.parametrize("word", IDS)
def test_who_may_not_change_the_list_is_refused(
    owner: APIClient, client_for: Callable[[User], APIClient], rita: User, word: str
) -> None:
    change(owner, "drain", TWO)
    error_of(change(client_for(rita), word, TWO), 403, IDS[word])
    assert drained_entries() == [TWO]


def test_a_reader_may_look(
    owner: APIClient, client_for: Callable[[User], APIClient], rita: User
) -> None:
    assert set(states(client_for(rita))) == {ONE, TWO}
