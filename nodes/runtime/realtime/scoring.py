"""One call of a realtime version on this node: its model, a thread, the result."""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from .. import results
from ..bundles import Bundle
from ..config import NodeConfig
from ..errors import Busy, InvalidInput
from ..figures import PoolFigures
from ..inputs import InputError
from .errors import ModelFailed, ModelRefused
from .loaded import LoadedModels
from .threads import Threads

if TYPE_CHECKING:
    from .model import Model

logger = logging.getLogger(__name__)


class RealtimeScorer:
    """Scores realtime bundles in a few threads of this process.

    A thread in the middle of a run cannot be killed: a call beyond its time is answered, its run
    told to stop, and the thread is free again when the model comes to the end of an operator.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.figures = PoolFigures()
        self._models = LoadedModels(config.realtime_memory_bytes, on_loaded=self.figures.note_load)
        self._n_threads = config.realtime_threads
        self._threads = Threads(self._n_threads, "realtime")
        self._most_calls = config.realtime_threads + config.queue_length
        self._queue_seconds = config.queue_seconds
        self._run_seconds = config.realtime_seconds
        self._calls: Counter[str] = Counter()
        self._jobs: set[_Job] = set()  # waiting or running, their callers perhaps gone
        self._n_calls = 0

    def bundles_in_use(self) -> Collection[str]:
        """The bundles that calls are about, and those whose models are in memory."""
        return self._calls.keys() | set(self._models.ids())

    async def score(self, bundle: Bundle, body: bytes, *, correlation_id: str = "") -> bytes:
        """The complete result JSON; failures of the model are results too.

        `InvalidInput` when the body does not fit; `Busy` when nothing was run. Cancelling it stops
        the run.
        """
        if self._n_calls >= self._most_calls or len(self._jobs) >= self._most_calls:
            raise Busy("Too many calls of realtime services wait on this node already.")
        self._n_calls += 1
        self._calls[bundle.id] += 1
        try:
            return await self._score(bundle, body)
        except _Failed as failure:
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
        n_busy = sum(job.has_begun for job in self._jobs)
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

    async def _score(self, bundle: Bundle, body: bytes) -> bytes:
        try:
            model = await self._models.take(bundle)
        except ModelRefused as refusal:
            raise _Failed(str(refusal)) from None
        job = _Job(model, body, lambda: self._end(job, bundle.id))
        self._jobs.add(job)
        self._threads.submit(job.run)
        first_look = min(self._queue_seconds, self._run_seconds)
        job.timer = job.loop.call_later(first_look, self._look, job)
        try:
            return await job.result
        except asyncio.CancelledError:
            job.abandon()
            raise
        finally:
            job.timer.cancel()
            if job.has_begun:
                self.figures.waits.observe(job.waited_seconds)

    def _end(self, job: "_Job", bundle_id: str) -> None:
        # No sooner: the model is in use for as long as a thread runs it.
        self._jobs.discard(job)
        self._models.give_back(bundle_id)

    def _look(self, job: "_Job") -> None:
        """Give up a call that has not begun to run, or that has had its time."""
        rest = job.submitted_at + self._run_seconds - job.loop.time()
        if not job.has_begun:
            job.abandon(Busy("All threads for realtime services were busy for too long."))
        elif rest > 0:
            job.timer = job.loop.call_later(rest, self._look, job)
        else:
            job.abandon(
                _Failed(
                    f"The call was stopped after {self._run_seconds:g} seconds, the longest that "
                    "a call of a realtime service may take."
                )
            )


class _Failed(Exception):  # noqa: N818 - named for what happened
    """The call has a result, with `success` false; the text is its message."""


class _Job:
    """One call between the event loop, which makes it, and the thread that runs it."""

    timer: asyncio.TimerHandle

    def __init__(self, model: "Model", body: bytes, on_end: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.result: asyncio.Future[bytes] = self.loop.create_future()
        self.submitted_at = self.loop.time()
        self._made_at = time.monotonic()  # a thread must not ask the loop
        self.has_begun = False
        self.waited_seconds = 0.0
        self._is_abandoned = False
        self._model = model
        self._body = body
        self._run = model.new_run()
        self._on_end = on_end

    def run(self) -> None:
        """Run it, in a thread."""
        self.waited_seconds = time.monotonic() - self._made_at
        self.has_begun = True
        answer = b""
        failure: Exception | None = None
        if not self._is_abandoned:
            try:
                columns = self._model.score(self._body, self._run)
                answer = results.result(success=True, error_message="", console="", body=columns)
            except InputError as error:
                failure = InvalidInput(error.message, fields=error.fields)
            except ModelFailed as error:
                failure = _Failed(str(error))
            except Exception as error:  # noqa: BLE001 - it is raised in the caller
                failure = error
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self.loop.call_soon_threadsafe(self._finish, answer, failure)

    def abandon(self, reason: Exception | None = None) -> None:
        """Stop the run, and tell the caller the reason unless there is no caller any more."""
        self._is_abandoned = True
        self._run.stop()
        self._body = b""
        if reason is not None and not self.result.done():
            self.result.set_exception(reason)

    def _finish(self, answer: bytes, failure: Exception | None) -> None:
        self._on_end()
        if self.result.done():
            return
        if failure is None:
            self.result.set_result(answer)
        else:
            self.result.set_exception(failure)
