"""What of the published services needs somebody's attention, and why."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Count

from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from nodes.models import NodeHealth, Runtime
from nodes.overview import KnownNode
from services.models import Batch, DedicatedPool, RuntimeType
from services.overview import versions_for
from services.usage.reading import Sums, failing_versions

ERRORS_WITHIN = timedelta(minutes=15)
BATCHES_WITHIN = timedelta(days=1)
_WORKING = ("ready", "degraded")
_WITH_SHELLS = frozenset(Runtime.values)
_ALARMING_RATE = 0.1
_MOST_LOOKED_AT = 500  # versions with errors, and batches
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
    working = [node.health for node in nodes if node.state.name in _WORKING]
    for runtime, n_versions in counts:
        if any(health is not None and _runs(health, runtime) for health in working):
            continue
        label = RuntimeType(runtime).label
        which = "the only version cannot" if n_versions == 1 else f"none of {n_versions} can"
        reason = f"No compute node that is ready runs {label}: {which} be called."
        yield Concern(f"{label} services", reason, True, "runtime")


def _runs(health: NodeHealth, runtime: str) -> bool:
    if runtime not in _WITH_SHELLS:
        return True  # realtime versions need no shell
    known: dict[str, Any] = health.report.get("runtimes", {}).get(runtime, {})
    return bool(known.get("available"))


def _errors(caller: Caller, now: datetime) -> Iterable[Concern]:
    failing = failing_versions(since=now - ERRORS_WITHIN, now=now)[:_MOST_LOOKED_AT]
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
    held = _HeldPools(nodes)
    for name, version, runtime, bundle_id in rows:
        n_nodes, n_ready = held.counts(runtime, bundle_id)
        if n_ready < n_nodes:
            yield Concern(
                f"{name}/{version}",
                f"Its dedicated pool is ready on {n_ready} of {_counted(n_nodes, 'node')}."
                f"{held.why(bundle_id)}",
                not n_ready,
                "version",
                (name, version),
            )


class _HeldPools:
    """The dedicated pools that nodes have told of."""

    def __init__(self, nodes: Sequence[KnownNode]) -> None:
        self._n_nodes: Counter[str] = Counter()  # by runtime
        self._ready: Counter[str] = Counter()  # by bundle
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        # Of nodes with too many pools to tell of each: what they leave out is not known.
        self._silent: list[tuple[set[str], set[str]]] = []
        for node in nodes:
            if node.health is None or node.state.name not in _WORKING:
                continue
            runtimes = {name for name in RuntimeType.values if _runs(node.health, name)}
            self._n_nodes.update(runtimes)
            reports = node.health.report.get("pools", [])
            if len(reports) >= _MOST_POOLS_OF_A_REPORT:
                self._silent.append((runtimes, {each["bundle"] for each in reports}))
            for report in reports:
                self._ready[report["bundle"]] += report.get("status") == "Success"
                if report.get("reason"):
                    self._reasons[report["bundle"]][str(report["reason"])] += 1

    def counts(self, runtime: str, bundle_id: str) -> tuple[int, int]:
        """On how many nodes the pool should be, and on how many of these it is ready."""
        n_unknown = sum(
            runtime in runtimes and bundle_id not in told for runtimes, told in self._silent
        )
        return self._n_nodes[runtime] - n_unknown, self._ready[bundle_id]

    def why(self, bundle_id: str) -> str:
        """What most of the nodes say that have not got it ready."""
        if bundle_id not in self._reasons:
            return ""
        return f" {self._reasons[bundle_id].most_common(1)[0][0]}"


def _failed_batches(user: User, now: datetime) -> Iterable[Concern]:
    rows = (
        Batch.objects.visible_to(user)
        .filter(finished_at__gte=now - BATCHES_WITHIN)
        .exclude(error="")
        .order_by("-finished_at")
        .values_list("version__service__name", "version__version", "error")
    )
    errors: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, version, error in rows[:_MOST_LOOKED_AT]:
        errors[name, version].append(error)
    for (name, version), found in errors.items():
        batches = "1 batch" if len(found) == 1 else f"{len(found)} batches"
        reason = f"{batches} failed in the last day: {found[0]}"
        yield Concern(f"{name}/{version}", reason, False, "batches", (name, version))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
