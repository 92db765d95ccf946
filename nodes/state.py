"""The state of a compute node: what it is, why, and since when.

    unknown   nobody has looked lately
    ready     it answers, and every language it runs has a shell to spare
    degraded  it answers but lacks something, or has not answered just now
    draining  it is to take no new work, by an administrator's word or because it stops
    down      it did not answer several times in a row, or speaks another version of the API

The prober's looks move an address between ready, degraded and down (`after_look`), which are
stored; the others follow from what is stored at the time of reading (`state_of`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from nodes.models import NodeHealth
from nodes.runtime.api_version import API_VERSION, is_compatible

# Probes come every few seconds; without one for this long nobody is probing.
STALE_AFTER = timedelta(seconds=90)
DOWN_AFTER = 3  # looks in a row without an answer
# Two probers that look at the same moment have seen one failure, not two.
SAME_LOOK = timedelta(seconds=2)
LATENCIES_KEPT = 20
# A web node that has not heard of the drain may still send something for so long.
_DRAIN_HEARD_AFTER = timedelta(seconds=3)

Name = Literal["unknown", "ready", "degraded", "draining", "down"]


@dataclass(frozen=True, slots=True)
class NodeState:
    """The state's name, the reason in a sentence, which a ready node needs not, and its begin."""

    name: Name
    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one probe saw; `error` is empty when the node answered, after `milliseconds`."""

    address: str
    at: datetime
    error: str = ""
    report: Mapping[str, Any] | None = None
    milliseconds: float | None = None


def after_look(before: NodeHealth | None, seen: Sighting) -> dict[str, Any]:
    """The values of the address's row after one more look; `before` it had none if None."""
    values: dict[str, Any] = {"last_probe_at": seen.at, "last_error": seen.error}
    if seen.error:
        n_failures = _failures(before, seen.at)
        name, reason = _silent(before, n_failures, seen.error)
    else:
        n_failures = 0
        name, reason = _answering(seen.report or {})
        values |= {"last_seen_at": seen.at, "report": dict(seen.report or {})}
        if seen.milliseconds is not None:
            known = before.latencies if before else []
            values["latencies"] = [*known, round(seen.milliseconds, 1)][-LATENCIES_KEPT:]
    has_changed = before is None or before.state != name
    since = seen.at if has_changed or before is None else before.since
    return values | {"n_failures": n_failures, "state": name, "reason": reason, "since": since}


def state_of(
    health: NodeHealth, *, now: datetime, drained_since: datetime | None = None
) -> NodeState:
    """The state of one address at `now`; `drained_since` if an administrator drains it."""
    stale_at = health.last_probe_at + STALE_AFTER
    if now > stale_at:
        reason = "Nobody has looked for a while: is the Celery worker running?"
        return NodeState("unknown", reason, stale_at)
    if health.state == "down":
        reason = health.reason
        if drained_since:
            reason = f"{reason} It is drained, too."
        return NodeState("down", reason, health.since)
    if drained_since:
        is_known = (health.last_seen_at or drained_since) - drained_since > _DRAIN_HEARD_AFTER
        return NodeState("draining", _what_is_left(health, is_known=is_known), drained_since)
    if health.report.get("isStopping"):
        return NodeState("draining", f"It is stopping. {_left(health)}", health.since)
    return NodeState(_name(health.state), health.reason, health.since)


def _name(stored: str) -> Name:
    return "ready" if stored == "ready" else "degraded" if stored == "degraded" else "unknown"


def _failures(before: NodeHealth | None, at: datetime) -> int:
    if before is None:
        return 1
    if before.n_failures and at - before.last_probe_at < SAME_LOOK:
        return before.n_failures
    return before.n_failures + 1


def _silent(before: NodeHealth | None, n_failures: int, error: str) -> tuple[Name, str]:
    if before is None or before.last_seen_at is None:
        return "down", f"It has never answered. {error}"
    if before.state == "down" or n_failures >= DOWN_AFTER:
        return "down", error
    times = "once" if n_failures == 1 else f"{n_failures} times"
    return "degraded", f"It did not answer {times}. {error}"


def _answering(report: Mapping[str, Any]) -> tuple[Name, str]:
    version = report.get("apiVersion", API_VERSION)
    if not is_compatible(version):
        return "down", (
            f"It is not called: it speaks version {version} of the compute node API, web nodes"
            f" speak {API_VERSION}."
        )
    runtimes = report.get("runtimes", {})
    lacking = [
        f"{name}: {runtime.get('reason') or 'not available'}"
        for name, runtime in runtimes.items()
        if not runtime.get("available", True)
    ]
    full = [
        name
        for name, runtime in runtimes.items()
        if runtime.get("available", True) and not runtime.get("canOpenShell", True)
    ]
    if full:
        lacking.append(f"Every shell is in use: {', '.join(full)}.")
    return ("degraded", "; ".join(lacking)) if lacking else ("ready", "")


def _what_is_left(health: NodeHealth, *, is_known: bool) -> str:
    if not is_known:
        return "No new work is sent to it; what is left is not known yet."
    left = _left(health)
    return left if left != _EMPTY else f"{left}: it may be stopped."


_EMPTY = "It is empty"


def _left(health: NodeHealth) -> str:
    n_calls, n_sessions = health.n_calls, health.n_sessions
    if not n_calls and not n_sessions:
        return _EMPTY
    return f"{_counted(n_calls, 'call')} and {_counted(n_sessions, 'session')} are left."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
