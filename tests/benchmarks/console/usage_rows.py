"""Recorded figures of a month, as the product itself would have them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mlops.usage.minutes import HOUR, MINUTE, minute_of
from nodes.runtime.figures import SECONDS
from services.usage import scopes

N_REQUESTS = 10_000_000
DAYS, MINUTE_DAYS = 30, 2
_MIDDLES = np.array([0.0003, *(0.7 * np.array(SECONDS[1:])), 90.0])

Row = tuple[object, ...]
Ints = NDArray[np.int64]


@dataclass
class Traffic:
    """Who calls what how often: few versions get most of the calls, more of them by day."""

    names: Sequence[tuple[str, str]]  # of versions
    nodes: Sequence[str]
    n_requests: int
    now: datetime

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(7)
        ranks = self._random.permutation(len(self.names)) + 1
        weights = 1.0 / ranks**1.2
        self._weights = weights / weights.sum()
        typical = self._random.lognormal(np.log(0.02), 1.0, len(self.names))
        spread = np.log(np.array(SECONDS))[None, :] - np.log(typical)[:, None]
        below = 1 / (1 + np.exp(-2.5 * spread))
        self._shapes = np.diff(below, axis=1, prepend=0, append=1)
        services = sorted({name for name, _ in self.names})
        places = {name: place for place, name in enumerate(services)}
        self._service_of = np.array([places[name] for name, _ in self.names])
        self._versions = [scopes.of_version(*each) for each in self.names]
        self._services = [scopes.of_service(name) for name in services]
        self._nodes = [scopes.of_node(address) for address in self.nodes]

    def rows(self) -> Iterator[Row]:
        """Rows of hours for a month, and of minutes for the last two days."""
        last = minute_of(self.now, HOUR)
        for hour in range(last - DAYS * 24 * HOUR, last + HOUR, HOUR):
            share = (1 + 0.6 * np.sin((hour // HOUR % 24 - 8) / 24 * 2 * np.pi)) / DAYS / 24
            if hour <= last - MINUTE_DAYS * 24 * HOUR:
                yield from self._rows(hour, HOUR, *self._counts(self.n_requests * share))
                continue
            total = None
            for minute in range(hour, min(hour + HOUR, minute_of(self.now) + 1)):
                counts = self._counts(self.n_requests * share / 60)
                yield from self._rows(minute, MINUTE, *counts)
                total = (
                    counts if total is None else [a + b for a, b in zip(total, counts, strict=True)]
                )
            if total is not None:
                yield from self._rows(hour, HOUR, *total)

    def _counts(self, expected: float) -> tuple[Ints, Ints, Ints]:
        """Of each version its histogram, failures and faults."""
        calls = self._random.poisson(expected * self._weights)
        times = np.zeros((len(calls), len(SECONDS) + 1), dtype=np.int64)
        active = np.flatnonzero(calls)
        times[active] = self._random.multinomial(calls[active], self._shapes[active])
        return times, self._random.binomial(calls, 0.01), self._random.binomial(calls, 0.001)

    def _rows(
        self, minute: int, resolution: int, times: Ints, failures: Ints, faults: Ints
    ) -> Iterator[Row]:
        everything = times.sum(axis=0)
        if not everything.sum():
            return
        figures = np.column_stack([times, failures, faults])
        yield from _as_rows([scopes.EVERYTHING], figures.sum(axis=0)[None, :], minute, resolution)
        requests = figures.sum(axis=0)[None, :].copy()
        yield from _as_rows([scopes.REQUESTS], requests, minute, resolution)
        yield from _as_rows(self._versions, figures, minute, resolution)
        services = np.zeros((len(self._services), figures.shape[1]), dtype=np.int64)
        np.add.at(services, self._service_of, figures)
        yield from _as_rows(self._services, services, minute, resolution)
        n_nodes = len(self._nodes)
        shares = self._random.multinomial(figures.sum(axis=0), [1 / n_nodes] * n_nodes).T
        yield from _as_rows(self._nodes, shares, minute, resolution)


def _as_rows(of: Sequence[str], figures: Ints, minute: int, resolution: int) -> Iterator[Row]:
    """Rows with the columns of `Usage`; `figures` are times, failures and faults."""
    calls = figures[:, :-2].sum(axis=1)
    seconds = figures[:, :-2] @ _MIDDLES
    for place in np.flatnonzero(calls):
        *times, failures, faults = figures[place].tolist()
        n_calls = int(calls[place])
        yield (of[place], resolution, minute, n_calls, failures, faults, seconds[place], *times)


def node_rows(nodes: Sequence[str], now: datetime) -> Iterator[Row]:
    """Rows of `NodeUsage`: a look at each node in every minute."""
    random = np.random.default_rng(7)
    last = minute_of(now, HOUR)
    for hour in range(last - DAYS * 24 * HOUR, last + HOUR, HOUR):
        if hour <= last - MINUTE_DAYS * 24 * HOUR:
            yield from _looks(random, nodes, hour, HOUR)
            continue
        for minute in range(hour, min(hour + HOUR, minute_of(now) + 1)):
            yield from _looks(random, nodes, minute, MINUTE)
        yield from _looks(random, nodes, hour, HOUR)


def _looks(
    random: np.random.Generator, nodes: Sequence[str], minute: int, resolution: int
) -> Iterator[Row]:
    busy = random.binomial(8 * resolution, 0.3, len(nodes)).tolist()
    busy_r = random.binomial(4 * resolution, 0.1, len(nodes)).tolist()
    n, total = resolution, len(nodes) * resolution
    for address, python, r in zip(nodes, busy, busy_r, strict=True):
        figures = (n, n, 0, 0, 0, 0, python, 8 * n, r, 4 * n, python + r, 0, n, 1.5 * n)
        yield (address, resolution, minute, *figures)
    sums = (sum(busy), 8 * total, sum(busy_r), 4 * total, sum(busy) + sum(busy_r), 0)
    yield ("", resolution, minute, n, total, 0, 0, 0, 0, *sums, total, 1.5 * total)
