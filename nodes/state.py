"""What the health of a compute node amounts to: a state, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from nodes.models import NodeHealth

# Probes come every few seconds; without one for this long nobody is probing.
STALE_AFTER = timedelta(seconds=60)

Name = Literal["ready", "busy", "limited", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class NodeState:
    """The state's name, and the reason in a sentence; a ready node needs none."""

    name: Name
    reason: str = ""


def state_of(health: NodeHealth, *, now: datetime) -> NodeState:
    """The state of one address at `now`, from what the prober saw last."""
    if now - health.last_probe_at > STALE_AFTER:
        return NodeState("unknown", "Nobody has looked for a while: is the Celery worker running?")
    if not health.is_answering:
        return NodeState("down", health.last_error or "It has never answered.")
    runtimes = health.report.get("runtimes", {})
    lacking = [
        f"{name}: {runtime.get('reason') or 'not available'}"
        for name, runtime in runtimes.items()
        if not runtime.get("available", True)
    ]
    if lacking:
        return NodeState("limited", "; ".join(lacking))
    full = [name for name, runtime in runtimes.items() if not runtime.get("canOpenShell", True)]
    if full:
        return NodeState("busy", f"Every shell is in use: {', '.join(full)}.")
    return NodeState("ready")
