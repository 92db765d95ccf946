"""Calls of one bundle that wait for a shell together are run as one, their rows merged.

No call waits for others to come: one that finds an idle shell takes it and runs alone. While all
are busy, or another one would not help since all processors are (lending.py), calls stand in the
line of their bundle, and the next shell that comes free runs what is in it.

When that does not go well, be it an error, something printed or a shell that died, each call runs
alone, so that nothing of one caller reaches another; a bundle with which it keeps not going well is
left alone for a while.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from . import laps, results
from .bundles import Bundle
from .channel import Frame
from .config import NodeConfig
from .errors import Busy, ShellDied, ShellUnreached
from .lending import Lender
from .patience import Patience
from .r_merged import MergedForR
from .shell import Shell
from .shells.merged import ALONE

logger = logging.getLogger(__name__)

# Calls whose run takes longer gain little by being merged, and one that hangs must not hold others.
_RUN_SECONDS = 5.0
_IDLE_LINES_MAX = 1000
_INLINE_PARSE_BYTES = 64 * 1024

Outcome = bytes | Shell | None
Load = Callable[[Shell, Bundle], Awaitable[bytes | None]]  # the result of a load that failed


@dataclass(eq=False, slots=True)
class _Call:
    """A call in line. It ends with its result; with a shell of its own; or with None: it is to run
    alone."""

    body: bytes
    since: float
    outcome: "asyncio.Future[Outcome]"
    run: "_Run | None" = None


@dataclass(eq=False, slots=True)
class _Run:
    """Calls that run as one; it is stopped when none of them has a caller any more."""

    task: "asyncio.Task[None] | None"
    n_callers: int
    began_at: float
    loaded_at: float = 0.0


@dataclass(eq=False, slots=True)
class _Line:
    """The calls of one bundle that wait."""

    bundle: Bundle
    pool: Lender
    calls: deque[_Call] = field(default_factory=deque)
    is_served: bool = False  # somebody waits for a shell on behalf of all
    timer: asyncio.TimerHandle | None = None
    patience: Patience = field(default_factory=Patience)


class Merger:
    """The lines of all bundles whose calls may be merged."""

    def __init__(self, config: NodeConfig, load: Load) -> None:
        self._max_rows = config.merge_max_rows
        self._max_bytes = config.merge_max_bytes
        self._queue_length = config.queue_length
        self._queue_seconds = config.queue_seconds
        self._run_seconds = min(config.run_seconds, _RUN_SECONDS)
        self._load = load
        self._lines: dict[str, _Line] = {}
        self._serving: set[asyncio.Task[None]] = set()

    def takes(self, bundle: Bundle, pool: Lender, body: bytes) -> bool:
        """Whether the call is to wait in line, to be merged with others."""
        if not bundle.manifest.row_independent:
            return False
        if pool.is_ready(bundle.id):
            pool.figures.merging.flushed["idle"] += 1
            return False
        if self._max_rows < 2 or len(body) > self._max_bytes:
            return False
        line = self._lines.get(bundle.id)
        return line is None or not line.patience.is_lost(asyncio.get_running_loop().time())

    def n_waiting(self, pool: Lender) -> int:
        """How many calls are in line for a shell of the pool, but for those that it knows of."""
        return sum(
            len(line.calls) - line.is_served
            for line in self._lines.values()
            if line.pool is pool and line.calls
        )

    async def wait(self, bundle: Bundle, pool: Lender, body: bytes) -> Outcome:
        """What `_Call` ends with: the result, a shell that the caller gives back, or None.

        `Busy` when neither comes in time, and whatever else `Lender.acquire` raises.
        """
        line = self._line(bundle, pool)
        if len(line.calls) >= self._queue_length:
            raise Busy("All shells are busy and the queue is full. Try again shortly.")
        loop = asyncio.get_running_loop()
        call = _Call(body, loop.time(), loop.create_future())
        line.calls.append(call)
        asked = laps.current()
        if asked:
            asked.lap("")
        self._serve(line)
        try:
            outcome = await call.outcome
            if asked:
                _tell(asked, call, is_result=isinstance(outcome, bytes))
            return outcome
        except asyncio.CancelledError:
            self._forget(line, call)
            raise

    def _line(self, bundle: Bundle, pool: Lender) -> _Line:
        line = self._lines.get(bundle.id)
        if line is None or line.pool is not pool:
            if len(self._lines) >= _IDLE_LINES_MAX:
                self._lines = {name: each for name, each in self._lines.items() if each.calls}
            line = self._lines[bundle.id] = _Line(bundle, pool)
        return line

    def _forget(self, line: _Line, call: _Call) -> None:
        """A caller has gone."""
        if call.run:
            call.run.n_callers -= 1
            if not call.run.n_callers and call.run.task:
                call.run.task.cancel()
        elif call in line.calls:
            line.calls.remove(call)
        elif not call.outcome.cancelled() and not call.outcome.exception():
            # It was over in the very moment in which the caller went.
            shell = call.outcome.result()
            if isinstance(shell, Shell):
                line.pool.release(shell)

    def _expire(self, line: _Line) -> None:
        """Refuse the calls that have waited too long, and look again when the next will have."""
        loop = asyncio.get_running_loop()
        line.timer = None
        while line.calls:
            left = line.calls[0].since + self._queue_seconds - loop.time()
            if left > 0:
                line.timer = loop.call_later(left, self._expire, line)
                return
            _fail(line.calls.popleft(), Busy("All shells are busy. Try again shortly."))

    def _serve(self, line: _Line) -> None:
        if not line.calls:
            return
        if line.timer is None:
            self._expire(line)
        if not line.is_served:
            line.is_served = True
            task = asyncio.get_running_loop().create_task(self._serve_once(line))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve_once(self, line: _Line) -> None:
        """Waits for a shell and has it run what is in line by then."""
        try:
            shell = await line.pool.acquire(line.bundle.id, is_patient=True)
        except Exception as refusal:  # noqa: BLE001 - it is raised in the callers
            line.is_served = False
            while line.calls:
                _fail(line.calls.popleft(), refusal)
                if isinstance(refusal, Busy):  # those behind it may have more luck
                    break
            self._serve(line)
            return
        line.is_served = False
        calls = self._take(line)
        self._serve(line)  # who is left waits for the next one
        if not calls:
            line.pool.release(shell)
        elif len(calls) == 1:
            calls[0].outcome.set_result(shell)
        else:
            await self._run(line, shell, calls)

    def _take(self, line: _Line) -> list[_Call]:
        """The calls that the shell is to run."""
        calls: list[_Call] = []
        size = 0
        reason = "free"
        while line.calls:
            size += len(line.calls[0].body)
            if len(calls) == self._max_rows:  # each has a row at least
                reason = "rows"
                break
            if calls and size > self._max_bytes:
                reason = "bytes"
                break
            call = line.calls.popleft()
            if not call.outcome.done():  # else its caller has gone
                calls.append(call)
        now = asyncio.get_running_loop().time()
        figures = line.pool.figures
        figures.merging.flushed[reason] += len(calls)
        for call in calls[1:]:  # the wait for the shell itself was noted with the loan
            figures.waits.observe(now - call.since)
        return calls

    async def _run(self, line: _Line, shell: Shell, calls: list[_Call]) -> None:
        run = _Run(asyncio.current_task(), len(calls), time.perf_counter())
        for call in calls:
            call.run = run
        reusable = False
        ends: list[Outcome] = [None] * len(calls)
        failure = "died"
        try:
            failed_load = await self._load(shell, line.bundle)
            run.loaded_at = time.perf_counter()
            if failed_load is not None:
                ends, failure = [failed_load] * len(calls), ""
            else:
                ends, failure, reusable = await self._run_on(line, shell, calls)
        except ShellUnreached:
            for call in calls:
                call.run = None
            line.calls.extendleft(reversed([call for call in calls if not call.outcome.done()]))
            calls = []
        except ShellDied as death:
            logger.warning("Merged calls of bundle %s: %s", line.bundle.id, death)
            line.pool.figures.merging.unmerged[failure] += len(calls)
        except Exception:  # whom it concerns is told when it runs alone
            logger.exception("Merged calls of bundle %s failed", line.bundle.id)
            line.pool.figures.merging.unmerged["error"] += len(calls)
        finally:
            if reusable:
                line.pool.release(shell)
            else:
                line.pool.discard(shell)
        for call, end in zip(calls, ends, strict=False):
            if not call.outcome.done():
                call.outcome.set_result(end)
        if calls:
            self._judge(line, failure)
        self._serve(line)

    async def _run_on(
        self, line: _Line, shell: Shell, calls: list[_Call]
    ) -> tuple[list[Outcome], str, bool]:
        """What each call ends with, why that is not as wished, and whether the shell can stay."""
        figures = line.pool.figures.merging
        bodies = [call.body for call in calls]
        shell.console.begin()
        if line.bundle.manifest.runtime == "R":
            header, data = await self._call_r(shell, line.bundle, bodies)
        else:
            header, data = await self._call(
                shell,
                {
                    "op": "score_together",
                    "sizes": [len(body) for body in bodies],
                    "maxRows": self._max_rows,
                },
                b"".join(bodies),
            )
        reusable = not header["retire"]
        failure: str = header["failure"]
        if shell.console.finish():  # nobody can say whose it is
            failure = "console"
        ends: list[Outcome] = []
        start = 0
        for size in header["sizes"]:
            if size == ALONE or failure == "console":
                ends.append(None)
            else:
                ends.append(results.quiet_success(data[start : start + size]))
                start += size
        n_alone = ends.count(None)
        if n_alone:
            figures.unmerged[failure or "unlike"] += n_alone
        if failure != "console":
            for n_calls, n_rows in header["runs"]:
                figures.calls.observe(n_calls)
                figures.rows.observe(n_rows)
        if not failure and n_alone > len(calls) // 2:
            failure = "unlike"
        return ends, failure, reusable

    async def _call_r(self, shell: Shell, bundle: Bundle, bodies: list[bytes]) -> Frame:
        arguments = bodies, bundle.manifest.inputs, self._max_rows
        if sum(map(len, bodies)) <= _INLINE_PARSE_BYTES:
            merged = MergedForR(*arguments)
        else:
            merged = await asyncio.to_thread(MergedForR, *arguments)
        if not merged.header:
            return merged.unlike()
        return merged.reply(*await self._call(shell, merged.header, merged.body))

    async def _call(self, shell: Shell, header: dict[str, Any], body: bytes) -> Frame:
        return await shell.call(
            header,
            body,
            deadline=asyncio.get_running_loop().time() + self._run_seconds,
            expired="the calls together took too long",
        )

    def _judge(self, line: _Line, failure: str) -> None:
        """Decide from how a run went whether the bundle's calls are merged on."""
        if not failure:
            line.patience.note_success()
        elif line.patience.note_failure(asyncio.get_running_loop().time()):
            logger.info("Calls of bundle %s cannot be merged: %s", line.bundle.id, failure)


def _tell(asked: laps.Laps, call: _Call, *, is_result: bool) -> None:
    """Where the time of a call went that has waited in line."""
    if call.run and is_result:
        asked.lap(laps.SHELL, until=call.run.began_at)
        asked.lap(laps.LOAD, until=call.run.loaded_at)
        asked.lap(laps.RUN)
    else:  # what others had of a run is waiting to this one
        asked.lap(laps.SHELL)


def _fail(call: _Call, error: Exception) -> None:
    if not call.outcome.done():
        call.outcome.set_exception(error)
