"""Scoring as it is counted and recorded."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime

from mlops.usage.recorded import add
from nodes.runtime.figures import SECONDS
from services.models import Usage
from services.tallies import Key, Tally
from services.usage import scopes
from services.usage.recording import CALLS, COLUMNS, REQUESTS, TIMES, Recorder

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
NODE = "http://node-1:12805/"


def histogram(seconds: Sequence[float]) -> list[int]:
    counts = [0] * (len(SECONDS) + 1)
    for each in seconds:
        counts[bisect_left(SECONDS, each)] += 1
    return counts


def counted(
    *seconds: float,
    name: str = "churn",
    version: str = "v1",
    node: str = NODE,
    status: int = 200,
    is_success: bool = True,
) -> dict[Key, Tally]:
    """Calls that ended alike and took so long, as `services.tallies` hands them on."""
    return {
        (CALLS, name, version, "call", node, status, is_success): [len(seconds)],
        (TIMES, name, version, "call", node): [*histogram(seconds), sum(seconds)],
        (REQUESTS, status): [len(seconds)],
    }


def record(at: datetime, *seconds: float, **how: object) -> None:
    """Record calls that ended alike at that time."""
    recorder = Recorder()
    recorder.take(counted(*seconds, **how), at.timestamp())  # type: ignore[arg-type]
    recorder.store()


def record_calls(
    at: datetime, calls: int, *, of: str = scopes.EVERYTHING, failures: int = 0, faults: int = 0
) -> None:
    """Record so many calls of 10 ms of one scope only."""
    figures = [calls, failures, faults, calls / 100, *(0,) * 4, calls, *(0,) * 11]
    add(Usage, COLUMNS, {(of, int(at.timestamp()) // 60): figures})
