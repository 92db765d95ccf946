"""The state of a compute node: from look to look, and as it is read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nodes.models import NodeHealth
from nodes.state import DOWN_AFTER, LATENCIES_KEPT, STALE_AFTER, Sighting, after_look, state_of

NODE = "http://10.0.0.1:12805/"
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
EVERY = timedelta(seconds=5)
PYTHON = {"available": True, "reason": "", "canOpenShell": True}
NO_R = {"available": False, "reason": "R is not installed.", "canOpenShell": False}
WELL: dict[str, Any] = {"runtimes": {"Python": PYTHON}}


class Node:
    """An address that is looked at every five seconds."""

    def __init__(self) -> None:
        self.now = NOW
        self.row = NodeHealth(address=NODE, **after_look(None, Sighting(NODE, NOW, "", WELL, 1.0)))

    def look(self, error: str = "", after: timedelta = EVERY, **report: Any) -> str:
        """The name of the state after a further look."""
        self.now += after
        values = after_look(self.row, Sighting(NODE, self.now, error, WELL | report, 1.0))
        for name, value in values.items():
            setattr(self.row, name, value)
        return self.row.state


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_node_that_answers_is_ready(node: Node) -> None:
    assert (node.row.state, node.row.reason, node.row.since) == ("ready", "", node.now)


def test_one_lost_look_makes_it_no_more_than_degraded(node: Node) -> None:
    assert node.look("timed out") == "degraded"
    assert node.row.reason == "It did not answer once. timed out"
    assert node.row.is_answering
    assert node.look() == "ready"


def test_after_three_looks_without_an_answer_it_is_down(node: Node) -> None:
    states = [node.look("refused") for _ in range(DOWN_AFTER + 1)]
    assert states == ["degraded", "degraded", "down", "down"]
    assert node.row.reason == "refused"
    assert not node.row.is_answering


def test_one_answer_makes_it_ready_again(node: Node) -> None:
    for _ in range(10):
        node.look("refused")
    assert node.look() == "ready"
    assert node.row.n_failures == 0


def test_what_never_answered_is_down_at_once() -> None:
    values = after_look(None, Sighting(NODE, NOW, "refused"))
    assert (values["state"], values["reason"]) == ("down", "It has never answered. refused")


def test_two_probers_that_look_at_once_see_one_failure(node: Node) -> None:
    for _ in range(3):
        node.look("refused")
        node.look("refused", after=timedelta(milliseconds=100))
        node.look()
    assert node.look("refused") == "degraded"
    for _ in range(5):
        node.look("refused", after=timedelta(milliseconds=100))
    assert node.row.n_failures == 1


def test_since_tells_when_the_state_was_entered_whatever_the_reason(node: Node) -> None:
    began = node.row.since
    node.look()
    assert node.row.since == began
    node.look("first")
    entered = node.now
    node.look("second")
    assert (node.row.state, node.row.since) == ("degraded", entered)


def test_a_node_without_a_language_or_a_shell_to_spare_is_degraded(node: Node) -> None:
    full = PYTHON | {"canOpenShell": False}
    assert node.look(runtimes={"Python": PYTHON, "R": NO_R}) == "degraded"
    assert node.row.reason == "R: R is not installed."
    assert node.look(runtimes={"Python": full, "R": PYTHON}) == "degraded"
    assert node.row.reason == "Every shell is in use: Python."


def test_a_node_of_another_major_version_of_the_api_is_down_as_it_is_not_called(
    node: Node,
) -> None:
    assert node.look(apiVersion="2.0") == "down"
    assert "speaks version 2.0" in node.row.reason


def test_the_latencies_of_the_last_answers_are_kept(node: Node) -> None:
    for number in range(30):
        seen = Sighting(NODE, node.now, "", WELL, number + 0.04)
        node.row.latencies = after_look(node.row, seen)["latencies"]
    assert node.row.latencies == [float(number) for number in range(30 - LATENCIES_KEPT, 30)]
    assert node.row.latency == 19.5
    assert "latencies" not in after_look(node.row, Sighting(NODE, node.now, "refused"))


# As it is read.


def test_without_a_recent_look_nothing_is_known(node: Node) -> None:
    edge = node.now + STALE_AFTER
    assert state_of(node.row, now=edge).name == "ready"
    state = state_of(node.row, now=edge + timedelta(seconds=1))
    assert (state.name, state.since) == ("unknown", edge)
    assert "Celery worker" in state.reason


def drained(node: Node, after: timedelta = timedelta(minutes=1)) -> str:
    state = state_of(node.row, now=node.now, drained_since=node.now - after)
    assert state.name == "draining"
    assert state.since == node.now - after
    return state.reason


def test_a_drained_node_tells_what_is_left(node: Node) -> None:
    node.look(sessions=1, load={"running": 1, "queued": 2})
    assert drained(node) == "3 calls and 1 session are left."
    node.look(sessions=0, load={"running": 0, "queued": 0})
    assert drained(node) == "It is empty: it may be stopped."


def test_it_is_not_called_empty_by_a_look_from_before_all_had_heard_of_the_drain(
    node: Node,
) -> None:
    assert "not known yet" in drained(node, after=timedelta(seconds=2))


def test_a_node_that_stops_is_draining(node: Node) -> None:
    node.look(isStopping=True, load={"running": 1, "queued": 0})
    state = state_of(node.row, now=node.now)
    assert (state.name, state.reason) == (
        "draining",
        "It is stopping. 1 call and 0 sessions are left.",
    )


def test_a_drained_node_that_is_down_is_down(node: Node) -> None:
    for _ in range(DOWN_AFTER):
        node.look("refused")
    state = state_of(node.row, now=node.now, drained_since=NOW)
    assert (state.name, state.reason) == ("down", "refused It is drained, too.")
