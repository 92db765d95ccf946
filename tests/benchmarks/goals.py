"""The targets of scoring speed, and how far we are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.report import best_peer, limit, markdown
from tests.benchmarks.rounds import Results, Size
from tests.benchmarks.target import Target

ONE, MANY = Size(1, 1), Size(1, 32)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """`find` answers our figure for it, None when it was not measured."""

    path: str
    wanted: str
    shown: str  # how the figure is written
    is_met: Callable[[float], bool]
    find: Callable[["Run"], float | None]


@dataclass(frozen=True)
class Run:
    """What one run found."""

    targets: Sequence[Target]
    results: Results

    def rate_to(self, ours: str, theirs: str, size: Size) -> float | None:
        """Our rate divided by that of another target."""
        found, other = self.results.get((ours, size)), self.results.get((theirs, size))
        return found.rate / other.rate if found and other else None

    def p50_to(self, ours: str, theirs: str, size: Size) -> float | None:
        """Our median latency divided by that of another target."""
        found, other = self.results.get((ours, size)), self.results.get((theirs, size))
        return found.p50 / other.p50 if found and other else None

    def p50(self, ours: str, size: Size) -> float | None:
        """Our median latency in ms."""
        found = self.results.get((ours, size))
        return found.p50 if found else None

    def rate_to_limit(self, ours: str, size: Size) -> float | None:
        """Our rate as a part of the limit's."""
        found, most = self.results.get((ours, size)), limit(self.targets, self.results, size)
        return found.rate / most.rate if found and most else None

    def rate_to_best_peer(self, ours: str, size: Size) -> float | None:
        """Our rate divided by that of the best peer with the same model."""
        found = self.results.get((ours, size))
        mine = next((target for target in self.targets if target.name == ours), None)
        peer = best_peer(mine, self.targets, self.results, size) if mine else None
        return found.rate / peer[1].rate if found and peer else None


def _at_least(bound: float) -> Callable[[float], bool]:
    return lambda figure: figure >= bound


def _at_most(bound: float) -> Callable[[float], bool]:
    return lambda figure: figure <= bound


def _goals() -> Iterator[Goal]:
    for name in ("realtime-linear", "realtime-forest"):
        yield Goal(
            path=f"{name}, 32 clients",
            wanted="≥ 60 % of the two-hop echo",
            shown="{:.0%}",
            is_met=_at_least(0.6),
            find=partial(Run.rate_to_limit, ours=name, size=MANY),
        )
        yield Goal(
            path=f"{name}, 32 clients",
            wanted="≥ 5 times the best peer",
            shown="{:.1f} times",
            is_met=_at_least(5),
            find=partial(Run.rate_to_best_peer, ours=name, size=MANY),
        )
        yield Goal(
            path=f"{name}, 1 client",
            wanted="p50 ≤ 2 times the two-hop echo's",
            shown="{:.2f} times",
            is_met=_at_most(2),
            find=partial(Run.p50_to, ours=name, theirs="two-hop-echo", size=ONE),
        )
    yield Goal(
        path="python-merged, 32 clients",
        wanted="≥ 3 times the best peer",
        shown="{:.1f} times",
        is_met=_at_least(3),
        find=partial(Run.rate_to_best_peer, ours="python-merged", size=MANY),
    )
    for model in ("linear", "forest"):
        yield Goal(
            path=f"python-{model}, 32 clients",
            wanted="≥ 1.2 times FastAPI",
            shown="{:.2f} times",
            is_met=_at_least(1.2),
            find=partial(Run.rate_to, ours=f"python-{model}", theirs=f"fastapi-{model}", size=MANY),
        )
        yield Goal(
            path=f"python-{model}, 1 client",
            wanted="p50 ≤ FastAPI's",
            shown="{:.2f} times",
            is_met=_at_most(1),
            find=partial(Run.p50_to, ours=f"python-{model}", theirs=f"fastapi-{model}", size=ONE),
        )
    for name in ("r-linear", "r-merged"):
        yield Goal(
            path=f"{name}, 32 clients",
            wanted="≥ 8 times plumber",
            shown="{:.1f} times",
            is_met=_at_least(8),
            find=partial(Run.rate_to, ours=name, theirs="plumber", size=MANY),
        )
    yield Goal(
        path="r-linear, 1 client",
        wanted="p50 ≤ 1.2 ms",
        shown="{:.2f} ms",
        is_met=_at_most(1.2),
        find=partial(Run.p50, ours="r-linear", size=ONE),
    )


GOALS = list(_goals())


def table(run: Run) -> str:
    """Each target with our figure; those that were not measured are left out."""
    rows = []
    for goal in GOALS:
        figure = goal.find(run)
        if figure is not None:
            met = "yes" if goal.is_met(figure) else "**no**"
            rows.append([goal.path, goal.wanted, goal.shown.format(figure), met])
    return markdown(["path", "wanted", "found", "met"], rows) if rows else ""
