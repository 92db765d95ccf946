"""What depends on versions that somebody is about to delete."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q

from mlops.accounts.token_cache import Caller
from services.models import Batch, Version
from services.overview import versions_for
from services.permissions import may_write
from services.usage import reading
from services.usage.reading import Line

_KEYS_AT_ONCE = 500  # stays below SQLite's bound on query parameters


@dataclass(frozen=True, slots=True)
class Doomed:
    """A version that would be deleted, and what goes with it."""

    version: Version
    line: Line = field(default_factory=Line)
    n_batches: int = 0
    n_unfinished: int = 0

    @property
    def sentences(self) -> list[str]:
        """What goes with it, in words."""
        said = []
        if n_calls := self.line.n_calls:
            said.append(f"In the last 24 hours it was called {_times(n_calls)}.")
        if self.n_batches:
            batches = _number(self.n_batches, "batch", "batches")
            unfinished = f", {self.n_unfinished} of them unfinished," if self.n_unfinished else ""
            said.append(f"{batches}{unfinished} will be lost with all results.")
        if self.version.has_pool:
            pool = self.version.pool
            said.append(
                f"Its pool of {pool.initial_size} to {pool.max_size} shells on each node ends."
            )
        return said


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that stays, and why."""

    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What deleting all versions of some services would do."""

    doomed: Sequence[Doomed]
    kept: Sequence[Kept]
    names_kept: Sequence[str]  # of services which stay for their grants, without versions

    @property
    def n_batches(self) -> int:
        """Of all of them."""
        return sum(each.n_batches for each in self.doomed)

    @property
    def n_unfinished(self) -> int:
        """Batches that have not ended."""
        return sum(each.n_unfinished for each in self.doomed)

    @property
    def n_pools(self) -> int:
        """Dedicated pools that end."""
        return sum(each.version.has_pool for each in self.doomed)

    @property
    def n_calls(self) -> int:
        """In the last 24 hours."""
        return sum(each.line.n_calls for each in self.doomed)

    @property
    def busiest(self) -> list[Doomed]:
        """Those that were called or have batches, the most called first."""
        used = [each for each in self.doomed if each.line.n_calls or each.n_batches]
        return sorted(used, key=lambda each: (-each.line.n_calls, str(each.version)))


def doomed_version(version: Version, *, now: datetime) -> Doomed:
    """What goes with one version."""
    return _doomed([version], [version.service_id], now)[0]


def preview(services: Iterable[str], caller: Caller, *, now: datetime) -> Preview:
    """What deleting all versions of the services does that the caller may see and delete."""
    names = list(services)
    rows = (
        versions_for(caller)
        .filter(service__name__in=names)
        .select_related("service", "pool")
        .defer("code", "init_code", "input_parameters", "output_parameters", "example")
        .order_by("service__name", "created_at", "id")
    )
    found = list(rows)
    may = {version.pk: may_write(version, caller) for version in found}
    deletable = [version for version in found if may[version.pk]]
    kept = [
        Kept(
            version, f"{version.published_by} published it, and you are no manager of the service."
        )
        for version in found
        if not may[version.pk]
    ]
    emptied = {version.service_id: version.service for version in deletable}
    staying = {each.version.service_id for each in kept}
    names_kept = sorted(
        service.name
        for key, service in emptied.items()
        if key not in staying and service.access is not None
    )
    return Preview(_doomed(deletable, list(emptied), now), kept, names_kept)


def _doomed(versions: Sequence[Version], services: Sequence[int], now: datetime) -> list[Doomed]:
    keys = [(version.name, version.version) for version in versions]
    lines: dict[tuple[str, str], Line] = {}
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        lines |= reading.version_sparklines(keys[first : first + _KEYS_AT_ONCE], now=now)
    counts = {
        row["version"]: (row["n"], row["n_unfinished"])
        for row in Batch.objects.live()
        .filter(version__service__in=services)
        .order_by()
        .values("version")
        .annotate(n=Count("pk"), n_unfinished=Count("pk", filter=Q(finished_at=None)))
    }
    return [
        Doomed(version, lines[key], *counts.get(version.pk, (0, 0)))
        for version, key in zip(versions, keys, strict=True)
    ]


def _number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
