"""What of the published services needs somebody's attention, and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Count, Max

from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from nodes.models import NodeHealth, Runtime
from nodes.overview import KnownNode
from services.models import Batch, DedicatedPool, RuntimeType
from services.overview import versions_for
from services.usage.reading import Sums, failing_versions

ERRORS_WITHIN = timedelta(minutes=15)
BATCHES_WITHIN = timedelta(days=1)
_ALARMING_RATE = 0.1
_MOST_LOOKED_AT = 500  # versions with errors
_MOST_POOLS_OF_A_REPORT = 100  # a node tells of no more


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing: what it is about, and the reason in a sentence."""

    about: str
    reason: str
    is_grave: bool
    kind: Literal["version", "runtime", "batches"]
    version: tuple[str, str] | None = None  # name and version, unless it is about several


def concerns(user: User, nodes: Sequence[KnownNode], *, now: datetime) -> list[Concern]:
    """What concerns the services that the user may consume, the gravest first.

    `nodes` are all known ones. The number of queries is the same for any number of services.
    """
    caller = Caller.of(user)
    found = [
        *_without_node(caller, nodes),
        *_errors(caller, now),
        *_short_pools(caller, nodes),
        *_failed_batches(user, now),
    ]
    return sorted(found, key=lambda each: not each.is_grave)


def _without_node(caller: Caller, nodes: Sequence[KnownNode]) -> Iterable[Concern]:
    counts = versions_for(caller).order_by().values_list("runtime_type").annotate(Count("pk"))
    working = [node.health for node in nodes if node.state.name in ("ready", "degraded")]
    for runtime, n_versions in counts:
        if any(health is not None and _runs(health, runtime) for health in working):
            continue
        label = RuntimeType(runtime).label
        which = "the only version cannot" if n_versions == 1 else f"none of {n_versions} can"
        reason = f"No compute node that is ready runs {label}: {which} be called."
        yield Concern(f"{label} services", reason, True, "runtime")


def _runs(health: NodeHealth, runtime: str) -> bool:
    if runtime not in Runtime.values:
        return True  # realtime versions need no shell
    known: dict[str, Any] = health.report.get("runtimes", {}).get(runtime, {})
    return bool(known.get("available"))


def _errors(caller: Caller, now: datetime) -> Iterable[Concern]:
    failing = failing_versions(since=now - ERRORS_WITHIN)[:_MOST_LOOKED_AT]
    if not failing:
        return
    visible = set(
        versions_for(caller)
        .filter(service__name__in={each.name for each in failing})
        .values_list("service__name", "version")
    )
    for each in failing:
        if (each.name, each.version) in visible:
            yield Concern(
                f"{each.name}/{each.version}",
                _reason(each.sums),
                bool(each.sums.faults) or (each.sums.error_rate or 0) >= _ALARMING_RATE,
                "version",
                (each.name, each.version),
            )


def _reason(sums: Sums) -> str:
    minutes = int(ERRORS_WITHIN.total_seconds()) // 60
    whose = []
    if sums.failures:
        whose.append(f"{sums.failures} in its own code")
    if sums.faults:
        whose.append(f"{sums.faults} because no node could run it or broke")
    return (
        f"{sums.errors} of {_counted(sums.calls, 'call')} failed in the last {minutes} minutes: "
        f"{', '.join(whose)}."
    )


def _short_pools(caller: Caller, nodes: Sequence[KnownNode]) -> Iterable[Concern]:
    visible = versions_for(caller).filter(pool__isnull=False).values("pk")
    rows = DedicatedPool.objects.filter(version__in=visible).values_list(
        "version__service__name", "version__version", "version__runtime_type", "version__bundle_id"
    )
    if not rows:
        return
    running = [n.health for n in nodes if n.health and n.state.name in ("ready", "degraded")]
    for name, version, runtime, bundle_id in rows:
        n_nodes, n_ready, reasons = 0, 0, Counter[str]()
        for health in running:
            reports = health.report.get("pools", [])
            report = next((each for each in reports if each.get("bundle") == bundle_id), None)
            if not _runs(health, runtime) or (
                report is None and len(reports) >= _MOST_POOLS_OF_A_REPORT
            ):
                continue
            n_nodes += 1
            n_ready += report is not None and report.get("status") == "Success"
            if report and report.get("reason"):
                reasons[str(report["reason"])] += 1
        if n_ready < n_nodes:
            why = f" {reasons.most_common(1)[0][0]}" if reasons else ""
            yield Concern(
                f"{name}/{version}",
                f"Its dedicated pool is ready on {n_ready} of {_counted(n_nodes, 'node')}.{why}",
                not n_ready,
                "version",
                (name, version),
            )


def _failed_batches(user: User, now: datetime) -> Iterable[Concern]:
    rows = (
        Batch.objects.visible_to(user)
        .filter(finished_at__gte=now - BATCHES_WITHIN)
        .exclude(error="")
        .order_by()
        .values_list("version__service__name", "version__version")
        .annotate(Count("pk"), Max("error"))
    )
    for name, version, n_batches, error in rows:
        verb = "batch" if n_batches == 1 else "batches"
        yield Concern(
            f"{name}/{version}",
            f"{n_batches} {verb} failed in the last day: {error}",
            False,
            "batches",
            (name, version),
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
