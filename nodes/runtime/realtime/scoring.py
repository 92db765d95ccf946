"""One call of a realtime version on this node: its model, a thread, the result."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from .. import laps, results
from ..bundles import Bundle
from ..config import NodeConfig
from ..errors import Busy
from ..figures import PoolFigures
from ..formats.media import JSON, PLAIN, Formats
from ..translators import INLINE_PARSE_BYTES, Translators
from .errors import CallFailed, ModelRefused
from .jobs import TOGETHER_SECONDS, FrameJob, Job, end_of
from .line import Line, Outcome
from .loaded import LoadedModels
from .quickness import SMALL_BODY_BYTES
from .threads import Threads

if TYPE_CHECKING:
    from .model import Model

logger = logging.getLogger(__name__)


class RealtimeScorer:
    """Scores realtime bundles in a few threads of this process, or at once where that is quick.

    A thread in the middle of a run cannot be killed: a call beyond its time is answered, its run
    told to stop, and the thread is free again when the model comes to the end of an operator.
    """

    def __init__(self, translators: Translators, config: NodeConfig) -> None:
        self._translators = translators
        self.figures = PoolFigures()
        self._models = LoadedModels(config.realtime_memory_bytes, on_loaded=self.figures.note_load)
        self._n_threads = config.realtime_threads
        self._threads = Threads(self._n_threads, "realtime")
        self._most_calls = config.realtime_threads + config.queue_length
        self._queue_seconds = config.queue_seconds
        self._run_seconds = config.realtime_seconds
        self._calls: Counter[str] = Counter()
        self._lines: WeakKeyDictionary[Model, Line] = WeakKeyDictionary()
        self._merge_max_rows = config.merge_max_rows
        self._merge_max_bytes = config.merge_max_bytes
        self._jobs: set[Job] = set()  # waiting or running, their callers perhaps gone
        self._n_calls = 0

    def bundles_in_use(self) -> Collection[str]:
        """The bundles that calls are about, and those whose models are in memory."""
        return self._calls.keys() | set(self._models.ids())

    async def score(
        self, bundle: Bundle, body: bytes, *, correlation_id: str = "", formats: Formats = PLAIN
    ) -> bytes:
        """The complete result JSON, or the data frame in another format; failures of the model are
        results too, in JSON always.

        `InvalidInput` when the body does not fit; `Busy` when nothing was run. Cancelling it stops
        the run.
        """
        if self._n_calls >= self._most_calls or len(self._jobs) >= self._most_calls:
            raise Busy("Too many calls of realtime services wait on this node already.")
        self._n_calls += 1
        self._calls[bundle.id] += 1
        try:
            return await self._score(bundle, body, formats)
        except CallFailed as failure:
            text = json.dumps(str(failure))  # one line, whatever the model says
            logger.warning("Call %s of bundle %s failed: %s", correlation_id, bundle.id, text)
            return results.failure(str(failure), "")
        finally:
            self._n_calls -= 1
            self._calls[bundle.id] -= 1
            if not self._calls[bundle.id]:
                del self._calls[bundle.id]

    def threads_by_state(self) -> dict[str, int]:
        """How many threads run something, and how many do not."""
        n_busy = len({job.batch for job in self._jobs if job.batch})
        return {"busy": n_busy, "idle": max(0, self._n_threads - n_busy)}

    @property
    def n_waiting(self) -> int:
        """How many calls are in line."""
        return sum(not job.has_begun for job in self._jobs)

    @property
    def models_bytes(self) -> int:
        """What the models in memory count for."""
        return self._models.n_bytes

    def stop(self) -> None:
        """Stop what runs."""
        for job in self._jobs:
            job.abandon()
        self._models.stop()
        self._threads.stop()

    async def _score(self, bundle: Bundle, body: bytes, formats: Formats) -> bytes:
        packed = None
        if formats.request != JSON or len(body) > INLINE_PARSE_BYTES:
            packed = await self._translators.columns(body, formats.request)
        asked = laps.current()
        if asked:
            asked.lap("")
        try:
            model = await self._models.take(bundle)
        except ModelRefused as refusal:
            raise CallFailed(str(refusal)) from None
        if asked:
            asked.lap(laps.LOAD)
        if model.is_quick and formats is PLAIN and len(body) <= SMALL_BODY_BYTES:
            result = self._score_at_once(model, bundle, body)
            if asked:
                asked.lap(laps.RUN)
            return result
        found_idle = len(self._jobs) < self._n_threads
        if found_idle:
            self.figures.merging.flushed["idle"] += 1
        end = partial(self._end, bundle.id)
        if packed is None and formats.answer == JSON:
            job = Job(model, body, end, found_idle=found_idle)
        else:
            job = FrameJob(model, packed or body, end, found_idle=found_idle)
            job.is_packed = packed is not None
            job.answers_columns = formats.answer != JSON
        self._jobs.add(job)
        self._line(model).submit(job, alone=isinstance(job, FrameJob))
        first_look = min(self._queue_seconds, self._run_seconds, TOGETHER_SECONDS)
        job.timer = job.loop.call_later(first_look, self._look, job)
        try:
            result = await job.result
        except asyncio.CancelledError:
            job.abandon()
            raise
        finally:
            job.timer.cancel()
            if job.has_begun:
                self.figures.waits.observe(job.waited_seconds)
        if asked:
            asked.waited(job.waited_seconds)
        if formats.answer == JSON:
            return result
        return await self._translators.answer(result, formats.answer)

    def _score_at_once(self, model: "Model", bundle: Bundle, body: bytes) -> bytes:
        """The result of a call that needs no thread (quickness.py)."""
        self.figures.merging.flushed["idle"] += 1
        self.figures.waits.observe(0.0)
        end = end_of(lambda: results.quiet_success(model.score(body, model.quick_run)))
        self._models.give_back(bundle.id)
        if isinstance(end, bytes):
            return end
        raise end

    def _line(self, model: "Model") -> Line:
        line = self._lines.get(model)
        if line is None:
            line = self._lines[model] = Line(
                self._threads,
                n_threads=self._n_threads,
                max_rows=1 if model.signature.takes_single_rows else self._merge_max_rows,
                max_bytes=self._merge_max_bytes,
                on_outcome=self._note,
            )
        return line

    def _note(self, outcome: Outcome) -> None:
        """Count what became of calls."""
        figures = self.figures.merging
        if outcome.n_waited:
            figures.flushed[outcome.flushed] += outcome.n_waited
        if outcome.n_apart:
            figures.unmerged[outcome.failure] += outcome.n_apart
        if outcome.n_together and outcome.failure != "error":
            figures.calls.observe(outcome.n_together)
            figures.rows.observe(outcome.n_rows)

    def _end(self, bundle_id: str, job: Job) -> None:
        # No sooner: the model is in use for as long as a thread runs it.
        self._jobs.discard(job)
        self._models.give_back(bundle_id)

    def _look(self, job: Job) -> None:
        """Give up a call that has not begun to run in time, or that has had its time.

        One that runs with others is given a run of its own when that takes too long.
        """
        now = job.loop.time()
        ends_at = job.submitted_at + self._run_seconds
        queued_until = min(job.submitted_at + self._queue_seconds, ends_at)
        next_look = ends_at
        if job.batch:
            if job.batch.is_shared:
                next_look = min(ends_at, job.batch.stop_if_long(now))
        elif now < queued_until:
            next_look = queued_until
        else:
            job.abandon(Busy("All threads for realtime services were busy for too long."))
            return
        if now < ends_at:
            job.timer = job.loop.call_at(next_look, self._look, job)
        else:
            job.abandon(
                CallFailed(
                    f"The call was stopped after {self._run_seconds:g} seconds, the longest that "
                    "a call of a realtime service may take."
                )
            )
