"""Recording what this process scores, minute by minute, in the database.

Nothing is done for a call: what `services.tallies` counts for the metrics is taken over when it is
written to their file, and added to the rows of the database every few seconds and at the end of
the process. What cannot be stored is kept for the next time.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from django.db import Error as DatabaseFailure
from django.db import connection

from mlops.usage import recorded
from nodes.runtime.figures import SECONDS
from services.usage import scopes
from services.usage.models import Usage

logger = logging.getLogger(__name__)

STORE_SECONDS = 10.0
_MOST_KEPT = 100_000  # rows while the database is away, beyond which the oldest are forgotten
_PARTING_SECONDS = 2.0  # over which processes spread that store at the same time

CALLS, TIMES, REQUESTS = "calls", "times", "requests"  # families of counts in services.metrics
N_TIMES = len(SECONDS) + 1
COLUMNS = ("calls", "failures", "faults", "seconds", *(f"t{place}" for place in range(N_TIMES)))
_OK, _REFUSED, _GONE, _FAULT = 200, 400, 499, 500

_Key = tuple[str, int]  # what it is of, and the minute


class Recorder:
    """Adds up what was counted until it is stored; for any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        """Forget what a parent process has counted and will store itself."""
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._news: dict[_Key, list[float]] = {}
        self._stored_at = self._clock()

    def take(self, counted: Mapping[tuple[str | int, ...], Sequence[float]], since: float) -> None:
        """Take over what was counted since then, in seconds since 1970."""
        minute = int(since) // 60
        with self._lock:
            for key, tally in counted.items():
                figures, affected = _figures(key, tally)
                for scope in affected:
                    self._add((scope, minute), figures)

    def _add(self, key: _Key, figures: Sequence[float]) -> None:
        known = self._news.get(key)
        if known is None:
            self._news[key] = list(figures)
        else:
            for place, figure in enumerate(figures):
                known[place] += figure

    def store_if_due(self) -> None:
        """Store what there is, if that was a while ago; for a thread that may wait."""
        if self._news and self._clock() - self._stored_at >= STORE_SECONDS:
            time.sleep(random.uniform(0, _PARTING_SECONDS))  # noqa: S311 - guards nothing
            self.store()

    def store(self) -> None:
        """Add all to the database in one transaction; kept for the next time if that fails."""
        with self._storing:
            with self._lock:
                news, self._news = self._news, {}
            self._stored_at = self._clock()
            if not news:
                return
            try:
                recorded.add(Usage, COLUMNS, news)
            except DatabaseFailure as error:
                logger.warning("What was scored cannot be recorded, it is kept: %s", error)
                self._keep(news)
            finally:
                if not connection.in_atomic_block:
                    connection.close()

    def _keep(self, news: dict[_Key, list[float]]) -> None:
        with self._lock:
            for key, figures in news.items():
                self._add(key, figures)
            if len(self._news) > _MOST_KEPT:
                newest = sorted(self._news, key=lambda key: key[1])[-_MOST_KEPT:]
                self._news = {key: self._news[key] for key in newest}


def _figures(
    key: tuple[str | int, ...], tally: Sequence[float]
) -> tuple[list[float], Sequence[str]]:
    """The values of COLUMNS that the count stands for, and the scopes that they belong to."""
    family, *parts = key
    times: Sequence[float] = (0,) * N_TIMES
    if family == TIMES:
        return [0, 0, 0, tally[-1], *tally[:-1]], _affected(parts)
    n_calls = tally[0]
    if family == REQUESTS:
        status, affected = int(parts[0]), [scopes.REQUESTS]
        is_failure = _REFUSED <= status < _GONE
    else:
        status, affected = int(parts[-2]), _affected(parts)
        is_failure = status == _OK and not parts[-1]
    is_fault = status >= _FAULT
    return [n_calls, n_calls * is_failure, n_calls * is_fault, 0, *times], affected


def _affected(parts: Sequence[str | int]) -> list[str]:
    """The scopes of a call by name, version, source and node, of which the last may be empty."""
    name, version, _, node = map(str, parts[:4])
    found = [scopes.EVERYTHING, scopes.of_service(name), scopes.of_version(name, version)]
    return [*found, scopes.of_node(node)] if node else found
