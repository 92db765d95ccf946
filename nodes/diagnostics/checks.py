"""What the configuration test looks at: each compute node, its clock, its certificate, its shells.

Thousands of nodes may be declared, so they are asked side by side, and beyond `RUNS` real runs of
code a random sample of nodes stands for all, which the report says.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from mlops.diagnostics.checks import skew
from mlops.diagnostics.findings import FAIL, PASS, WARN, Check, Finding
from mlops.errors import Busy, MlopsError
from nodes import trust
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.models import NodeHealth
from nodes.overview import KnownNode, known_nodes
from nodes.picture import declared_uris
from nodes.runtime.api_version import API_VERSION, is_compatible
from nodes.session_ids import new_id
from nodes.state import STALE_AFTER

RUNS = 64  # of code, in one test
_RUNS_AT_ONCE = 16
_RUN_SECONDS = 30
_ASK_SECONDS = 3
_ASKED_AT_ONCE = 128
_EXPIRES_SOON = timedelta(days=30)
_LOG = "Its log has more."
_CODE = "answer = 6 * 7"  # in R as well


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a node answered just now; without a report the error says why not."""

    known: KnownNode
    report: Mapping[str, Any] | None
    behind: float | None  # seconds, of its clock
    milliseconds: float
    error: str = ""


class NodeChecks:
    """The checks of one test; what the first one sees of the nodes the others build on."""

    def __init__(self) -> None:
        self._seen: list[_Seen] = []

    def checks(self) -> list[Check]:
        """All of them, in their order."""
        return [
            Check("certificates", _own_certificates),
            Check("prober", _prober),
            Check("compute nodes", self._nodes),
            Check("clocks of compute nodes", self._clocks),
            Check("code execution", self._executions),
        ]

    def _nodes(self) -> Iterator[Finding]:
        known = known_nodes(now=timezone.now())
        self._seen = run_sync(_ask(known))
        if not self._seen:
            entries = ", ".join(str(uri) for uri in declared_uris())
            message = f"No member of {entries} answers." if entries else "None is declared."
            yield Finding("compute nodes", FAIL, message, "manage.py nodes add http://host:12805")
        for seen in self._seen:
            yield _node(seen)
            if seen.report and isinstance(certificate := seen.report.get("certificate"), dict):
                expires = datetime.fromisoformat(str(certificate.get("expires")))
                yield _certificate(f"certificate of {seen.known.address}", expires)

    def _clocks(self) -> Iterator[Finding]:
        clocks = [
            skew(f"clock of {seen.known.address}", seen.behind)
            for seen in self._seen
            if seen.behind is not None
        ]
        bad = [finding for finding in clocks if finding.outcome != PASS]
        yield from bad
        if clocks and not bad:
            yield Finding("clocks of compute nodes", PASS, "They agree with that of this machine.")

    def _executions(self) -> Iterator[Finding]:
        ready = [each for each in self._seen if each.report and _may_run(each)]
        wanted = [
            (each.known.address, runtime)
            for each in ready
            for runtime, state in (each.report or {})["runtimes"].items()
            if state.get("available")
        ]
        if ready and not wanted:
            message = "No node runs R or Python."
            yield Finding("code execution", FAIL, message, "manage.py computenode logs say why.")
        if len(wanted) > RUNS:
            message = f"{RUNS} of {len(wanted)} are tried, drawn at random."
            yield Finding("code execution", PASS, message)
            wanted = random.sample(wanted, RUNS)
        yield from run_sync(_run_on_all(wanted))


def _may_run(seen: _Seen) -> bool:
    return seen.known.drained_by is None and not (seen.report or {}).get("isStopping")


async def _ask(nodes: Sequence[KnownNode]) -> list[_Seen]:
    """What each node answers now; without members of ranges that do not, as is normal."""
    free = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def ask(known: KnownNode) -> _Seen:
        async with free:
            began = time.perf_counter()
            try:
                report = await ComputeNode(known.address).health(seconds=_ASK_SECONDS)
                behind = _behind(report.get("clock"))
                error = ""
            except MlopsError as failure:
                report, behind, error = None, None, failure.message
            milliseconds = (time.perf_counter() - began) * 1000
            return _Seen(known, report, behind, milliseconds, error)

    seen = await asyncio.gather(*map(ask, nodes))
    single = set(await asyncio.to_thread(_single_addresses))
    return [each for each in seen if each.report or each.known.address in single]


def _behind(clock: object) -> float | None:
    """By how many seconds a clock is behind ours that shows `clock`; None if it does not say."""
    if not isinstance(clock, str):
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(clock)).total_seconds()


def _single_addresses() -> list[str]:
    return [str(uri) for uri in declared_uris() if not uri.is_range]


def _node(seen: _Seen) -> Finding:
    address = f"compute node {seen.known.address}"
    if seen.report is None:
        advice = "Start it (manage.py computenode), or remove it (manage.py nodes remove)."
        return Finding(address, FAIL, seen.error, advice, seen.milliseconds)
    report = seen.report
    version = str(report.get("apiVersion", API_VERSION))
    if not is_compatible(version):
        message = f"It speaks version {version}, this web node {API_VERSION}: it is not called."
        return Finding(address, FAIL, message, "Upgrade the older one.", seen.milliseconds)
    state = seen.known.state
    missing = [
        f"{name} cannot run: {pool['reason']}"
        for name, pool in report["runtimes"].items()
        if not pool.get("available") and pool.get("reason") and pool.get("currentPoolSize")
    ]
    parts = [state.name, *_pools(report), f"log in {report.get('logPath') or 'its console'}"]
    said = f"{', '.join(parts)}."
    if state.name in ("ready", "unknown") and not missing:
        outcome, why = PASS, seen.known.note
    else:
        outcome, why = WARN, " ".join([state.reason, *missing])
    advice = "manage.py nodes resume lets it work again." if seen.known.drained_by else ""
    return Finding(address, outcome, f"{said} {why}".strip(), advice, seen.milliseconds)


def _pools(report: Mapping[str, Any]) -> Iterator[str]:
    for name, pool in report["runtimes"].items():
        if pool.get("available"):
            yield (
                f"{name} {pool['currentPoolSize']} of at most {pool['maxPoolSize']} shells"
                f" ({pool['activeShellCount']} busy)"
            )


async def _run_on_all(wanted: Sequence[tuple[str, str]]) -> list[Finding]:
    free = asyncio.Semaphore(_RUNS_AT_ONCE)

    async def run(address: str, runtime: str) -> Finding:
        async with free:
            return await _run_on(address, runtime)

    return await asyncio.gather(*(run(address, runtime) for address, runtime in wanted))


async def _run_on(address: str, runtime: str) -> Finding:
    """Code runs in a shell of its own on this very node, which is given back whatever happens."""
    component = f"{runtime} on {address}"
    node, session_id, began = ComputeNode(address), new_id(), time.perf_counter()
    try:
        async with asyncio.timeout(_RUN_SECONDS):
            await node.open_session(session_id, runtime)
            try:
                answer = json.loads(await node.execute(session_id, _CODE, [], ["answer"]))
            finally:
                await asyncio.shield(_close(node, session_id))
    except Busy as busy:
        advice = "It is at its limit now: try again, or give the node a larger pool."
        return Finding(component, WARN, busy.message, advice, _since(began))
    except TimeoutError:
        message = f"No answer within {_RUN_SECONDS} seconds."
        return Finding(component, FAIL, message, "Restart the node.", _since(began))
    except MlopsError as error:
        return Finding(component, FAIL, error.message, _LOG, _since(began))
    if answer.get("success") and _is_42(answer):
        return Finding(component, PASS, f"{_CODE} ran.", elapsed=_since(began))
    message = str(answer.get("errorMessage") or answer)[:500]
    return Finding(component, FAIL, f"{_CODE} failed: {message}", _LOG, _since(began))


def _is_42(answer: Mapping[str, Any]) -> bool:
    return any(each.get("value") == 42 for each in answer.get("outputParameters", []))


async def _close(node: ComputeNode, session_id: Any) -> None:
    with suppress(MlopsError):  # the worker closes what is left of it within a minute
        await node.close_session(session_id, force=True)


def _own_certificates() -> Iterator[Finding]:
    found = False
    for owner, context in (("web node", trust.of_web_node()), ("client", trust.of_client())):
        if context and context.certificate:
            found = True
            yield _certificate(f"certificate of the {owner}", context.certificate.expires)
    if not found:
        yield Finding("certificates", PASS, "This machine has none for web node and client.")


def _certificate(component: str, expires: datetime) -> Finding:
    left = expires - datetime.now(UTC)
    until = f"{expires:%Y-%m-%d %H:%M} UTC"
    advice = "Put a new one in its place: it counts for the next connection, without a restart."
    if left < timedelta(0):
        return Finding(component, FAIL, f"It has expired on {until}.", advice)
    if left < _EXPIRES_SOON:
        return Finding(component, WARN, f"It expires in {left.days} days, on {until}.", advice)
    return Finding(component, PASS, f"It is valid until {until}.")


def _prober() -> Iterator[Finding]:
    """Whether the periodic worker lives: it looks at the nodes each few seconds."""
    if not declared_uris():
        return
    last = NodeHealth.objects.order_by("-last_probe_at").values_list("last_probe_at", flat=True)[:1]
    now = timezone.now()
    if last and now - last[0] < STALE_AFTER:
        age = (now - last[0]).total_seconds()
        yield Finding("periodic worker", PASS, f"It looked at the nodes {age:.0f} seconds ago.")
        return
    when = f"since {last[0]:%Y-%m-%d %H:%M:%S} UTC" if last else "ever"
    message = f"No worker has looked at the compute nodes {when}."
    yield Finding("periodic worker", FAIL, message, "Start the Celery worker with beat.")


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
