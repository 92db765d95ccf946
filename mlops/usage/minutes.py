"""Minutes as recorded figures count them, and the spans of time over which charts show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# What a row of recorded figures covers, in minutes.
MINUTE, HOUR = 1, 60
RESOLUTIONS = (MINUTE, HOUR)

# What happens in a minute is recorded some seconds later.
SETTLED_AFTER = timedelta(seconds=15)


def minute_of(moment: datetime, resolution: int = MINUTE) -> int:
    """The minute of `moment` since 1970, or the first one of the row that covers it."""
    minute = int(moment.timestamp()) // 60
    return minute - minute % resolution


def moment_of(minute: int) -> datetime:
    """When the minute begins."""
    return datetime.fromtimestamp(minute * 60, UTC)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One point of a chart: its first minute, and how many of its minutes are over."""

    minute: int
    elapsed: float

    @property
    def at(self) -> datetime:
        """When it begins."""
        return moment_of(self.minute)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time up to now, the points by which a chart shows it, and the rows it needs."""

    name: str
    label: str
    minutes: int
    step: int  # minutes of one point
    resolution: int

    def buckets(self, now: datetime) -> list[Bucket]:
        """Its points, the oldest first; the last one may not be over yet."""
        settled = now - SETTLED_AFTER
        last = minute_of(settled, self.step)
        elapsed = settled.timestamp() / 60 - last
        if elapsed < min(self.step, 2 * MINUTE):  # too little for a rate
            last, elapsed = last - self.step, float(self.step)
        n_points = self.minutes // self.step
        earlier = range(last - (n_points - 1) * self.step, last, self.step)
        return [*(Bucket(minute, self.step) for minute in earlier), Bucket(last, elapsed)]


SPANS: Mapping[str, Span] = {
    span.name: span
    for span in (
        Span("1h", "1 hour", 60, 1, MINUTE),
        Span("24h", "24 hours", 24 * 60, 10, MINUTE),
        Span("7d", "7 days", 7 * 24 * 60, 60, HOUR),
        Span("30d", "30 days", 30 * 24 * 60, 6 * 60, HOUR),
    )
}
DAY = SPANS["24h"]


def span_named(name: str) -> Span:
    """The span of that name, a day for any other text."""
    return SPANS.get(name, DAY)
