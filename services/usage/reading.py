"""Reading what was scored: series for charts, sums, and lines for lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import F, Q, Sum
from django.utils import timezone

from mlops.usage.minutes import HOUR, MINUTE, Bucket, Span, minute_of
from services.models import Usage
from services.usage import scopes
from services.usage.percentiles import percentile
from services.usage.recording import COLUMNS, N_TIMES

HOURS_OF_SPARKLINES = 24
_BY_MINUTES_WITHIN = timedelta(hours=2)

Key = TypeVar("Key")
_SUMS = {f"sum_{name}": Sum(name) for name in COLUMNS}


@dataclass(frozen=True, slots=True)
class Sums:
    """What was scored in some time."""

    calls: int = 0
    failures: int = 0  # of user code
    faults: int = 0  # of ours
    seconds: float = 0.0
    times: Sequence[int] = field(default=(0,) * N_TIMES)

    @classmethod
    def of(cls, values: Sequence[float]) -> "Sums":
        """The values of COLUMNS."""
        calls, failures, faults, seconds, *times = values
        return cls(int(calls), int(failures), int(faults), seconds, [int(one) for one in times])

    @property
    def errors(self) -> int:
        """Calls that ended without what their caller wanted, by whoever's fault."""
        return self.failures + self.faults

    @property
    def error_rate(self) -> float | None:
        """Of 1; None without calls."""
        return self.errors / self.calls if self.calls else None

    def milliseconds(self, share: float) -> float | None:
        """What this share of the calls took at most; None without calls."""
        seconds = percentile(self.times, share)
        return None if seconds is None else seconds * 1000


Values = list[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """Figures for each point in time; where there were no calls, rates and times are None."""

    times: Sequence[datetime]
    calls: list[float]  # each minute, as the next two
    failures: list[float]
    faults: list[float]
    error_rate: Values
    p50: Values  # milliseconds, as the next two
    p95: Values
    p99: Values
    total: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was called."""
        return not self.total


def series(scope: str, span: Span, *, now: datetime) -> Series:
    """What was scored of `scope` over the span, see `services.usage.scopes`; one query."""
    buckets = span.buckets(now)
    rows = (
        Usage.objects.filter(of=scope, resolution=span.resolution)
        .filter(minute__gte=buckets[0].minute, minute__lt=buckets[-1].minute + span.step)
        .annotate(point=F("minute") - F("minute") % span.step)
        .values_list("point")
        .annotate(**_SUMS)
        .order_by("point")
    )
    found = {row[0]: Sums.of(row[1:]) for row in rows}
    points = [(bucket, found.get(bucket.minute, Sums())) for bucket in buckets]
    return Series(
        times=[bucket.at for bucket in buckets],
        calls=[_each_minute(sums.calls, bucket) for bucket, sums in points],
        failures=[_each_minute(sums.failures, bucket) for bucket, sums in points],
        faults=[_each_minute(sums.faults, bucket) for bucket, sums in points],
        error_rate=[sums.error_rate for _, sums in points],
        p50=[sums.milliseconds(0.5) for _, sums in points],
        p95=[sums.milliseconds(0.95) for _, sums in points],
        p99=[sums.milliseconds(0.99) for _, sums in points],
        total=sum(sums.calls for _, sums in points),
    )


def _each_minute(number: int, bucket: Bucket) -> float:
    return number / bucket.elapsed


def sums(scope: str, since: datetime, until: datetime) -> Sums:
    """What was scored of `scope` in these minutes, the one of `until` left out."""
    row = Usage.objects.filter(
        of=scope, resolution=MINUTE, minute__gte=minute_of(since), minute__lt=minute_of(until)
    ).aggregate(**_SUMS)
    return Sums.of([row[name] or 0 for name in _SUMS])


@dataclass(frozen=True, slots=True)
class Line:
    """The last 24 hours of a service, the oldest first; the last one is not over yet."""

    calls: Sequence[int] = (0,) * HOURS_OF_SPARKLINES
    n_errors: int = 0

    @property
    def n_calls(self) -> int:
        """In all these hours."""
        return sum(self.calls)

    @property
    def error_rate(self) -> float | None:
        """Of 1; None without calls."""
        return self.n_errors / self.n_calls if self.n_calls else None


def sparklines(services: Iterable[str], *, now: datetime) -> Mapping[str, Line]:
    """The last 24 hours of each of the services, by name; one query."""
    return _lines({scopes.of_service(name): name for name in services}, now)


def version_sparklines(
    versions: Iterable[tuple[str, str]], *, now: datetime
) -> Mapping[tuple[str, str], Line]:
    """The same by name and version."""
    return _lines({scopes.of_version(*each): each for each in versions}, now)


def _lines(by_scope: Mapping[str, Key], now: datetime) -> dict[Key, Line]:
    last = minute_of(now, HOUR)
    first = last - (HOURS_OF_SPARKLINES - 1) * HOUR
    rows = Usage.objects.filter(of__in=by_scope, resolution=HOUR, minute__range=(first, last))
    calls = {scope: [0] * HOURS_OF_SPARKLINES for scope in by_scope}
    errors = dict.fromkeys(by_scope, 0)
    for of, minute, n_calls, n_failures, n_faults in rows.values_list(
        "of", "minute", "calls", "failures", "faults"
    ):
        calls[of][(minute - first) // HOUR] = n_calls
        errors[of] += n_failures + n_faults
    return {key: Line(calls[scope], errors[scope]) for scope, key in by_scope.items()}


@dataclass(frozen=True, slots=True)
class Failing:
    """A version that had errors, and how many."""

    name: str
    version: str
    sums: Sums


def failing_versions(*, since: datetime, now: datetime | None = None) -> list[Failing]:
    """The versions that had errors since then, most errors first; deleted ones included.

    Of more than some hours all of the first hour counts.
    """
    now = now or timezone.now()
    resolution = MINUTE if now - since < _BY_MINUTES_WITHIN else HOUR
    # Each by itself: databases would rather look at every version than at a range.
    minutes = range(minute_of(since, resolution), minute_of(now) + 1, resolution)
    rows = (
        Usage.objects.filter(resolution=resolution, minute__in=minutes)
        .filter(of__startswith=scopes.VERSION)
        .values_list("of")
        .annotate(Sum("calls"), n_failures=Sum("failures"), n_faults=Sum("faults"))
        .filter(Q(n_failures__gt=0) | Q(n_faults__gt=0))
    )
    found = []
    for of, calls, failures, faults in rows:
        if parts := scopes.version_in(of):
            found.append(Failing(*parts, Sums(calls, failures, faults)))
    return sorted(found, key=lambda each: -each.sums.errors)


def has_any(scope: str = scopes.EVERYTHING) -> bool:
    """Whether anything of it is recorded."""
    return Usage.objects.filter(of=scope).exists()
