"""Where the time of one scoring call goes, as the web node that serves it sees it.

Only an Owner's call is measured, and only when it asks (services/lane.py). The clocks of two
machines are never compared: of what the compute node measured only lengths are used, and the way to
it and back is what is left of the time that the web node waited.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from nodes.runtime import laps

# The five stages (admin.md section 11), by their short names in headers, and in reports.
STAGES: Mapping[str, str] = {
    "web": "Web Node Request",
    "shell": "Create Shell",
    "load": "Initialize Shell",
    "hop": "Web Node to Compute Node",
    "node": "Compute Node Request",
}
_log = logging.getLogger("mlops.traces")
_OF_LAPS = {laps.SHELL: "shell", laps.LOAD: "load", laps.RUN: "node"}
_WAY = "Way to the node and back"
_HALVES = "half of it is drawn before the run, as clocks are not compared"
_WAITING = "with the wait in line for a free one"
_SHOWN_NODES = 20  # of those that were considered


@dataclass(frozen=True, slots=True)
class Span:
    """One step; times in seconds since the web node had the request."""

    name: str
    start: float
    seconds: float
    note: str = ""
    is_inner: bool = False  # part of the step before it


class Stopwatch:
    """The steps of one call, which begins now."""

    def __init__(self, *, is_traced: bool = False) -> None:
        self.is_traced = is_traced  # each step is told, and noted in the logs of both nodes
        self.is_open = False  # to the caller
        self._began = time.perf_counter()
        self._opened_at = 0.0
        self.spans: list[Span] = []
        self.stages = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def span(self, name: str, note: str = "") -> Iterator[None]:
        """What runs in the context is a step."""
        start = self.now()
        try:
            yield
        finally:
            self.note(name, start, self.now() - start, note)

    def note(self, name: str, start: float, seconds: float, note: str = "") -> None:
        """A step that has ended."""
        self.spans.append(Span(name, start, seconds, note))

    def connected(self, is_new: bool) -> None:
        """From here on the request is on its way to the node."""
        start, now = self._opened_at, self.now()
        how = "a new connection" if is_new else "a connection that was kept open"
        self.note("Connection to the compute node", start, now - start, how)
        self._opened_at = now

    def sending(self) -> None:
        """A compute node is about to be asked."""
        self._opened_at = self.now()

    def answered(self, address: str, report: bytes | None) -> None:
        """The node has answered, with what it measured itself; None from one that is too old."""
        start = self._opened_at
        waited = self.now() - start
        measured: dict[str, Any] = json.loads(report) if report else {"seconds": 0, "laps": []}
        on_node = min(float(measured["seconds"]), waited)
        way = waited - on_node
        self.stages["hop"] += way
        note = address if report else f"{address}, which is too old to measure"
        self.note("Compute node", start, waited, note)
        self._inner(_WAY, start, way / 2, _HALVES)
        for name, lap_start, seconds in measured["laps"]:
            stage = _OF_LAPS.get(name, "node")
            self.stages[stage] += seconds
            note = _WAITING if name == laps.SHELL else ""
            self._inner(STAGES[stage], start + way / 2 + lap_start, seconds, note)
        self._inner(_WAY, start + waited - way / 2, way / 2, "")

    def _inner(self, name: str, start: float, seconds: float, note: str) -> None:
        self.spans.append(Span(name, start, seconds, note, is_inner=True))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of all this, which is about to go; nothing to others than Owners.

        The stages are in the header `Server-Timing`, in milliseconds; the steps as JSON.
        """
        if not self.is_open:
            return []
        self.stages["web"] = self.now()
        stages = ", ".join(
            f'{name};dur={self.stages[name] * 1000:.4f};desc="{title}"'
            for name, title in STAGES.items()
        )
        headers = [(b"server-timing", stages.encode())]
        if self.is_traced:
            steps = json.dumps([asdict(span) for span in self.spans], separators=(",", ":"))
            headers.append((b"x-trace", steps.encode()))
        return headers

    def now(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self._began


def note_trace(message: str) -> None:
    """A line in the log of this web node, with the id of the request."""
    _log.info("Traced: %s", message)


def stages_of(server_timing: str) -> dict[str, float]:
    """The milliseconds of each stage in a header `Server-Timing`; empty when it has none."""
    found: dict[str, float] = {}
    for part in server_timing.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key == "dur" and name in STAGES:
                found[name] = float(value)
    return found


def routing_note(considered: Mapping[str, Mapping[str, Any]], chosen: str) -> str:
    """Which nodes were considered, and why one was chosen, in a sentence or two."""
    of_chosen = considered.get(chosen, {})
    if len(considered) == 1:
        why = "it is the only node for this runtime"
    elif of_chosen.get("is_warm"):
        why = "it has run this version before and is the least busy of those"
    elif any(each["is_warm"] for each in considered.values()):
        why = "nodes that have run this version before are busier, or it is to be warmed up"
    else:
        why = "no node has run this version before; the less busy of two drawn at random"
    listed = [f"{address} ({_said(each)})" for address, each in considered.items()]
    more = len(listed) - _SHOWN_NODES
    rest = f" and {more} more" if more > 0 else ""
    return f"{chosen}: {why}. Considered: {', '.join(listed[:_SHOWN_NODES])}{rest}."


def _said(node: Mapping[str, Any]) -> str:
    if node["sits_out"]:
        return "sits out after errors"
    warm = "warm" if node["is_warm"] else "cold"
    calls = f"{node['n_calls']} call{'' if node['n_calls'] == 1 else 's'} under way"
    weight = "" if node["burden"] == 1 else f", weighs calls {node['burden']:.2f}-fold"
    return f"{warm}, {calls}{weight}"
