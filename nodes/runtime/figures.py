"""What a compute node counts while it works: plain numbers in memory, cheap enough for every call.

`metrics.py` shows them. Only the node's event loop writes them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

# The upper bounds of histograms of times, in seconds.
SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 60.0),
)
# The same, for rows and calls in one run.
SIZES = tuple(2.0**power for power in range(1, 11))
_MOST_BUNDLES = 10_000


class Histogram:
    """How many values lay up to each of the `bounds`, and what all of them add up to."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last is for what lies beyond all bounds
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class MergeFigures:
    """How calls that may be merged with others were run."""

    # Calls by why they waited no longer: "idle" something was idle when they came, "free" it came
    # free, "rows" and "bytes" it came free and could take no more.
    flushed: Counter[str] = field(default_factory=Counter)
    # Calls that were to be merged and ran alone after all, by the reason.
    unmerged: Counter[str] = field(default_factory=Counter)
    rows: Histogram = field(default_factory=lambda: Histogram(SIZES))  # of each merged run
    calls: Histogram = field(default_factory=lambda: Histogram(SIZES))  # the same


@dataclass(slots=True)
class PoolFigures:
    """What one pool of shells has seen, or the threads of realtime versions."""

    waits: Histogram = field(default_factory=Histogram)  # of calls that got a shell, in seconds
    load_times: Histogram = field(default_factory=Histogram)  # of bundles, in seconds
    merging: MergeFigures = field(default_factory=MergeFigures)
    n_failed_loads: int = 0
    n_starts: int = 0
    n_failed_starts: int = 0
    n_deaths: int = 0  # shells that ended by themselves or were killed for what they did

    def note_load(self, seconds: float, is_loaded: bool) -> None:
        """A bundle was loaded, or was not after all."""
        self.load_times.observe(seconds)
        self.n_failed_loads += not is_loaded


class Calls:
    """How the calls of each bundle ended; of too many bundles the first ones are forgotten."""

    def __init__(self) -> None:
        self.by_bundle: dict[str, Counter[tuple[str, int, bool]]] = {}

    def note(self, bundle_id: str, runtime: str, *, status: int, is_success: bool) -> None:
        """A call was answered with this status; `is_success` is that of its result."""
        ends = self.by_bundle.get(bundle_id)
        if ends is None:
            if len(self.by_bundle) >= _MOST_BUNDLES:
                del self.by_bundle[next(iter(self.by_bundle))]
            ends = self.by_bundle[bundle_id] = Counter()
        ends[runtime, status, is_success] += 1

    def forget_all_but(self, bundle_ids: Collection[str]) -> None:
        """Drop the bundles that are not among these."""
        for bundle_id in [each for each in self.by_bundle if each not in bundle_ids]:
            del self.by_bundle[bundle_id]
