"""The calls of one model that wait for a thread; those that wait together are run as one.

Whatever goes wrong in a run of several calls, each of them is run alone then, so that it concerns
nobody else. The first such runs are compared with each call run alone: a model whose rows depend on
each other shows there, and its calls are merged no more.
"""

import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .. import results
from ..patience import Patience
from .answer import are_close
from .jobs import Batch, End, Job, end_of
from .threads import Threads

if TYPE_CHECKING:
    from .model import Run

logger = logging.getLogger(__name__)

_N_COMPARED = 3
# A run that takes longer is worth a thread of its own: what waits is shared among the threads.
_LONG_SECONDS = 0.002


@dataclass(slots=True)
class Outcome:
    """What became of calls that a thread took out of the line together."""

    n_waited: int  # but for those that found a thread idle
    flushed: str  # why no more of them were taken
    ends: list[tuple[Job, End]] = field(default_factory=list)
    n_together: int = 0  # those that were run as one
    n_rows: int = 0  # of these
    n_apart: int = 0  # those that are run alone instead
    failure: str = ""  # why


class Line:
    """See the module. `submit` is for the event loop, the rest is done in threads.

    It does not keep its model: calls do.
    """

    def __init__(
        self,
        threads: Threads,
        *,
        n_threads: int,
        max_rows: int,
        max_bytes: int,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self._threads = threads
        self._n_threads = n_threads
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._on_outcome = on_outcome
        self._waiting: deque[Job] = deque()
        self._patience = Patience()
        self._n_to_compare = _N_COMPARED
        self._last_seconds = 0.0

    def submit(self, job: Job, *, alone: bool = False) -> None:
        """Have the call run when a thread is free, with others unless it is to run alone."""
        if alone:
            self._threads.submit(partial(self._work_alone, job))
            return
        self._waiting.append(job)
        self._threads.submit(self._work)  # in vain if another takes the call along

    def _work(self) -> None:
        jobs, flushed = self._take()
        if not jobs:
            return
        outcome = Outcome(sum(not job.found_idle for job in jobs), flushed)
        if len(jobs) == 1:
            outcome.ends.append((jobs[0], self._end_alone(jobs[0])))
        else:
            self._run_together(jobs, outcome)
        self._tell(jobs[0], outcome)

    def _take(self) -> tuple[list[Job], str]:
        """Calls to run as one, and why they are no more."""
        most = self._max_rows  # each has a row at least
        if self._patience.is_lost(time.monotonic()):
            most = 1
        elif self._last_seconds > _LONG_SECONDS:
            most = min(most, math.ceil(len(self._waiting) / self._n_threads))
        jobs: list[Job] = []
        size = 0
        while len(jobs) < most:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return jobs, "free"
            size += len(job.body)
            if jobs and size > self._max_bytes:
                self._waiting.appendleft(job)
                return jobs, "bytes"
            jobs.append(job)
        return jobs, "rows" if most == self._max_rows > 1 else "free"

    def _end_alone(self, job: Job) -> End:
        batch = Batch([job])
        if job.is_abandoned:
            return b""
        return end_of(partial(job.answer_alone, batch.run))

    def _run_together(self, jobs: Sequence[Job], outcome: Outcome) -> None:
        batch = Batch(jobs)
        answers: list[bytes | None]
        try:
            answers, outcome.n_together, outcome.n_rows = jobs[0].model.score_together(
                [job.body for job in jobs], batch.run, self._max_rows
            )
            self._last_seconds = time.monotonic() - batch.began_at
            if self._n_to_compare and outcome.n_together:
                answers = self._compared(jobs, answers, batch.run)
        except Exception:  # noqa: BLE001 - whom it concerns is told when it runs alone
            outcome.failure = "error"
            answers = [None] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if answer is None:
                job.batch = None
                outcome.n_apart += 1
                self._threads.submit(partial(self._work_alone, job))
            else:
                outcome.ends.append((job, results.quiet_success(answer)))
        if outcome.n_apart and not outcome.failure:
            outcome.failure = "unlike"
        if outcome.n_apart > len(jobs) // 2:
            self._patience.note_failure(time.monotonic())
        else:
            self._patience.note_success()

    def _compared(
        self, jobs: Sequence[Job], answers: Sequence[bytes | None], run: "Run"
    ) -> list[bytes | None]:
        """The answers as they are when each call is run alone."""
        self._n_to_compare -= 1
        alone = [
            answer and job.model.score(job.body, run)
            for job, answer in zip(jobs, answers, strict=True)
        ]
        if not all(map(are_close, answers, alone)):
            logger.info("A realtime model's rows depend on each other: its calls are not merged")
            self._max_rows = 1
        return alone

    def _work_alone(self, job: Job) -> None:
        self._tell(job, Outcome(0, "", [(job, self._end_alone(job))]))

    def _tell(self, job: Job, outcome: Outcome) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            job.loop.call_soon_threadsafe(self._end, outcome)

    def _end(self, outcome: Outcome) -> None:
        self._on_outcome(outcome)
        for job, end in outcome.ends:
            job.finish(end)
