"""What the calls of one step took, of all of them as figures, and of some as points to draw."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from nodes.stopwatch import STAGES

MOST_POINTS = 1000  # in a step
SERIES = ("total", *STAGES)  # of a point, behind the time at which it ended
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Samples:
    """The calls of one step. Of many calls each n-th is kept as a point, whatever it took."""

    def __init__(self) -> None:
        self.n_failed = 0
        self.last_failure = ""
        self.every = 1  # call is kept as a point
        self._totals = array("d")
        self._sums = dict.fromkeys(SERIES, 0.0)
        self._points: list[list[float]] = []

    @property
    def n_calls(self) -> int:
        """Calls that went well."""
        return len(self._totals)

    def add(self, at: float, total: float, stages: Mapping[str, float]) -> None:
        """A call that has ended `at` so many milliseconds, and took `total`."""
        values = [total, *(stages.get(name, 0.0) for name in STAGES)]
        for name, value in zip(SERIES, values, strict=True):
            self._sums[name] += value
        if len(self._totals) % self.every == 0:
            self._points.append([round(value, 3) for value in (at, *values)])
            if len(self._points) > MOST_POINTS:
                self._points = self._points[::2]
                self.every *= 2
        self._totals.append(total)

    def fail(self, message: str) -> None:
        """A call that did not go well."""
        self.n_failed += 1
        self.last_failure = message

    def mean(self, name: str = "total") -> float:
        """The average of a series in milliseconds; 0 without calls."""
        return self._sums[name] / self.n_calls if self.n_calls else 0.0

    def mean_since(self, n_calls: int) -> float:
        """The average of all but the first so many calls."""
        latest = self._totals[n_calls:]
        return sum(latest) / len(latest) if latest else 0.0

    def figures(self, threads: int, seconds: float, overhead: float) -> dict[str, Any]:
        """What there is to say of the step while it runs; times in milliseconds."""
        return {
            "threads": threads,
            "seconds": round(seconds, 2),
            "calls": self.n_calls,
            "failed": self.n_failed,
            "lastFailure": self.last_failure,
            "perSecond": round(self.n_calls / seconds, 1) if seconds else 0.0,
            "latency": round(max(0.0, self.mean() - overhead), 3),
            "stages": {name: round(self.mean(name), 3) for name in SERIES},
        }

    def report(self, threads: int, seconds: float, overhead: float) -> dict[str, Any]:
        """The whole step."""
        ordered = sorted(self._totals)
        return {
            **self.figures(threads, seconds, overhead),
            "slowest": round(ordered[-1], 3) if ordered else 0.0,
            **{name: round(_at(ordered, share), 3) for name, share in _SHARES.items()},
            "every": self.every,
            "points": sorted(self._points),
        }


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
