"""What the health of a compute node amounts to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nodes.models import NodeHealth
from nodes.state import STALE_AFTER, NodeState, state_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def health(
    *,
    seen: timedelta | None = timedelta(0),
    probed: timedelta = timedelta(0),
    error: str = "",
    **runtimes: dict[str, Any],
) -> NodeHealth:
    return NodeHealth(
        address="http://10.0.0.1:12805/",
        last_seen_at=None if seen is None else NOW - seen,
        last_probe_at=NOW - probed,
        last_error=error,
        report={"runtimes": runtimes},
    )


PYTHON = {"available": True, "reason": "", "canOpenShell": True}
NO_R = {"available": False, "reason": "R is not installed.", "canOpenShell": False}


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (health(Python=PYTHON), NodeState("ready")),
        (health(), NodeState("ready")),
        (health(error="refused"), NodeState("down", "refused")),
        (health(seen=None), NodeState("down", "It has never answered.")),
        (health(Python=PYTHON, R=NO_R), NodeState("limited", "R: R is not installed.")),
        (
            health(Python=PYTHON | {"canOpenShell": False}),
            NodeState("busy", "Every shell is in use: Python."),
        ),
    ],
    ids=["ready", "an empty report", "refused", "never seen", "without R", "no free shell"],
)
def test_the_state_follows_from_the_last_look(seen: NodeHealth, state: NodeState) -> None:
    assert state_of(seen, now=NOW) == state


@pytest.mark.parametrize("error", ["", "refused"])
def test_without_a_recent_look_nothing_is_known(error: str) -> None:
    at_the_edge = health(seen=STALE_AFTER, probed=STALE_AFTER, error=error)
    assert state_of(at_the_edge, now=NOW).name != "unknown"
    state = state_of(at_the_edge, now=NOW + timedelta(seconds=1))
    assert state.name == "unknown"
    assert "Celery worker" in state.reason
