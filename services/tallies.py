"""Counts over all processes of a web node, those that have ended included.

A process counts in memory and adds that to one file of the data directory, every few seconds and
before the file is read for an answer. So what anybody has been told never becomes less, whichever
process ends, and nothing is left of those that have ended but what they counted. A follower gets
to know what was counted in between, for a record by time.
"""

import atexit
import fcntl
import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import orjson

from nodes.runtime.figures import SECONDS

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
_MOST_KEYS = 20_000  # beyond that those that have not changed for longest are forgotten

Key = tuple[str | int, ...]
# Of a count its value; of a histogram how many values lay up to each bound, how many beyond, and
# what all of them add up to.
Tally = list[float]


class Follower(Protocol):
    """Who is told of all counts, each once. The last two may take their time, the first may not."""

    def take(self, counted: Mapping[Key, Tally], since: float) -> None:
        """So much was counted since then, in seconds since 1970."""

    def store_if_due(self) -> None:
        """Called every few seconds by a thread for such things."""

    def store(self) -> None:
        """Called at the end of the process."""


class Tallies:
    """Tallies by key; the file is in `directory`, which need not exist. For any thread.

    `filed` says under which key the file has a count.
    """

    def __init__(
        self,
        directory: Path,
        *,
        filed: Callable[[Key], Key] = lambda key: key,
        follower: Follower | None = None,
    ) -> None:
        self._directory = directory
        self._filed = filed
        self._follower = follower
        self._file = directory / "totals.json"
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        """Forget what a parent process has counted and will add itself."""
        self._lock = threading.Lock()
        self._news: dict[Key, Tally] = {}
        self._unfiled: dict[Key, Tally] = {}  # what could not be written yet
        self._since = time.time()  # when the news began
        self._has_begun = False

    def count(self, key: Key) -> None:
        """Add one."""
        with self._lock:
            tally = self._news.get(key)
            if tally is None:
                tally = self._begin(key, 1)
            tally[0] += 1

    def count_timed(self, key: Key, times: Key, seconds: float) -> None:
        """Add one, and the time that it took to the histogram `times`."""
        with self._lock:
            news = self._news
            tally = news.get(key)
            if tally is None:
                tally = self._begin(key, 1)
            tally[0] += 1
            tally = news.get(times)
            if tally is None:
                tally = self._begin(times, len(SECONDS) + 2)
            tally[bisect_left(SECONDS, seconds)] += 1
            tally[-1] += seconds

    def totals(self) -> dict[Key, Tally]:
        """All that was counted until now; of other processes the last seconds may be missing."""
        news = self._taken()
        totals: dict[Key, Tally] = {}
        try:
            with self._exclusive():
                totals = self._read()
                _add(totals, news)
                if news:
                    self._write(totals)
        except OSError as error:
            logger.warning("What was counted cannot be stored: %s", error)
            with self._lock:
                _add(self._unfiled, news)
        return totals

    def _taken(self) -> dict[Key, Tally]:
        """What is to be added to the file; the follower knows of it."""
        with self._lock:
            news, self._news = self._news, {}
            unfiled, self._unfiled = self._unfiled, {}
            since, self._since = self._since, time.time()
        if news and self._follower:
            self._follower.take(news, since)
        for key, tally in news.items():
            _add(unfiled, {self._filed(key): tally})
        return unfiled

    def forget(self, keys: Collection[Key]) -> None:
        """Drop what was counted under these keys."""
        try:
            with self._exclusive():
                totals = self._read()
                self._write({key: totals[key] for key in totals if key not in keys})
        except OSError as error:
            logger.warning("What was counted cannot be stored: %s", error)

    def _begin(self, key: Key, size: int) -> Tally:
        if not self._has_begun:
            self._has_begun = True
            threading.Thread(target=self._flush_for_ever, name="tallies", daemon=True).start()
            atexit.register(self._end)
        tally: Tally = [0] * size
        self._news[key] = tally
        return tally

    def _flush_for_ever(self) -> None:
        while True:
            # So that what belongs to a minute is taken when it ends.
            time.sleep(FLUSH_SECONDS - time.time() % FLUSH_SECONDS)
            if self._news or self._unfiled:
                self.totals()
            else:
                self._since = time.time()
            if self._follower:
                try:
                    self._follower.store_if_due()
                except Exception:
                    logger.exception("What was counted is not recorded.")

    def _end(self) -> None:
        self.totals()
        if self._follower:
            self._follower.store()

    # The file.

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Nobody else reads or writes the file; OSError when that cannot be had."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)  # a fork may have the file open as well

    def _read(self) -> dict[Key, Tally]:
        try:
            return {tuple(key): tally for key, tally in orjson.loads(self._file.read_bytes())}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError):
            logger.warning("%s is broken; counting begins anew.", self._file)
            return {}

    def _write(self, totals: Mapping[Key, Tally]) -> None:
        rows = list(totals.items())[-_MOST_KEYS:]
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(orjson.dumps(rows))
        draft.replace(self._file)


def _add(totals: dict[Key, Tally], news: Mapping[Key, Tally]) -> None:
    """Add what is new; what has changed is at the end then."""
    for key, tally in news.items():
        known = totals.pop(key, None)
        if known is not None and len(known) == len(tally):  # another release had other bounds
            tally = [one + other for one, other in zip(known, tally, strict=True)]
        totals[key] = tally
