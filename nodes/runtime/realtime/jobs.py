"""Calls of realtime versions: they wait on the event loop and run in threads."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import results
from ..errors import InvalidInput
from ..formats.columns import as_column, pack, unpack
from ..inputs import InputError
from .answer import large_result_of
from .errors import CallFailed, ModelFailed
from .frame import frame_in

if TYPE_CHECKING:
    from .model import Model, Run

End = bytes | Exception

# Calls whose run takes longer gain little by being merged, and one that hangs must not hold others.
TOGETHER_SECONDS = 2.0


def end_of(answer: Callable[[], bytes]) -> End:
    """The result that `answer` gives, or what is to be raised in the caller instead."""
    try:
        return answer()
    except InputError as error:
        return InvalidInput(error.message, fields=error.fields)
    except ModelFailed as error:
        return CallFailed(str(error))
    except Exception as error:  # noqa: BLE001 - it is raised in the caller
        return error


class Job:
    """One call; only the event loop asks for its result and sets it."""

    timer: asyncio.TimerHandle

    def __init__(
        self, model: "Model", body: bytes, on_end: Callable[["Job"], None], *, found_idle: bool
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.result: asyncio.Future[bytes] = self.loop.create_future()
        self.submitted_at = self.loop.time()
        self.model = model
        self.body = body
        self.found_idle = found_idle  # a thread, so that there was nothing to wait for
        self.waited_seconds = 0.0
        self.is_abandoned = False
        self.batch: Batch | None = None  # while it runs
        self._made_at = time.monotonic()  # a thread must not ask the loop
        self._on_end = on_end

    @property
    def has_begun(self) -> bool:
        """Whether a thread runs it."""
        return self.batch is not None

    def begin(self, batch: "Batch") -> None:
        """A thread runs it from now on."""
        self.waited_seconds = batch.began_at - self._made_at
        self.batch = batch

    def abandon(self, reason: Exception | None = None) -> None:
        """Stop the run unless it is others' too; tell the caller the reason, if there is one."""
        self.is_abandoned = True
        self.body = b""
        if self.batch:
            self.batch.stop_if_abandoned()
        if reason is not None and not self.result.done():
            self.result.set_exception(reason)

    def answer_alone(self, run: "Run") -> bytes:
        """The result of a run of its own; InputError or ModelFailed."""
        return results.quiet_success(self.model.score(self.body, run))

    def finish(self, end: End) -> None:
        """No thread runs it any more, nor will."""
        self._on_end(self)
        if self.result.done():
            return
        if isinstance(end, bytes):
            self.result.set_result(end)
        else:
            self.result.set_exception(end)


class FrameJob(Job):
    """A call whose frame comes as packed columns, or whose answer is to be such; it runs alone."""

    is_packed = False
    answers_columns = False

    def answer_alone(self, run: "Run") -> bytes:
        """See `Job`."""
        frame = unpack(self.body) if self.is_packed else frame_in(self.body)
        columns = self.model.score_frame(frame, run)
        if self.answers_columns:
            return pack({name: as_column(values) for name, values in columns.items()})
        return large_result_of(columns)


class Batch:
    """The calls, often only one, that a thread runs as one, and the hold on that run."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.run: Run = jobs[0].model.new_run()
        self.began_at = time.monotonic()
        self.is_shared = len(jobs) > 1
        self._jobs = jobs
        for job in jobs:
            job.begin(self)
        self.stop_if_abandoned()  # that may have been before they knew of the run

    def stop_if_long(self, now: float) -> float:
        """End a run that takes too long for calls that could each have their own; else the time,
        by the event loop's clock as `now` is, at which it will."""
        left = TOGETHER_SECONDS - (time.monotonic() - self.began_at)
        if left <= 0:
            self.run.stop()
        return now + (left if left > 0 else TOGETHER_SECONDS)

    def stop_if_abandoned(self) -> None:
        """End the run if nobody waits for it any more."""
        if all(job.is_abandoned for job in self._jobs):
            self.run.stop()
