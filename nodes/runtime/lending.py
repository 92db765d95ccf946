"""Lending shells: starting them, the line of calls that wait for one, and the way back.

`Lender` holds what every pool does. Which shell a call gets, which are kept and when another one is
started is each pool's own policy: pool.py, dedicated.py.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from .cpu import idle_meter
from .errors import Busy, LoadFailed, RuntimeUnavailable, ShellDied
from .figures import PoolFigures
from .shell import Shell
from .starting import Starter

logger = logging.getLogger(__name__)

GROWTH_WAIT_SECONDS = 0.05  # calls that get a shell sooner are no reason to start another
_TICK_SECONDS = 0.025
_BACKOFF_MAX_SECONDS = 30.0
_FAILURES_IN_A_ROW = 2  # one alone may be an accident
_STALE_SECONDS = 10.0
_PING_SECONDS = 2.0


@dataclass(eq=False, slots=True)
class Waiter:
    """A call in line."""

    bundle_id: str | None  # None: any blank shell, for a session
    since: float
    shell: "asyncio.Future[Shell]"
    is_patient: bool = False


class Lender:
    """Lends shells. Whoever `acquire`s one gives it back with `release`, or `discard`s it."""

    _starts_at_once = 1

    def __init__(self, starter: Starter, *, queue_length: int, queue_seconds: float) -> None:
        self.runtime = starter.runtime
        self.figures = PoolFigures()
        self._starter = starter
        self._idle_meter = idle_meter()
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._lent: dict[Shell, str | None] = {}
        self._waiters: deque[Waiter] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._preparing: set[Shell] = set()
        self._dying: set[Shell] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._failures = 0
        self._not_before = 0.0
        self._reason = starter.missing()
        self._running = False

    def start(self) -> None:
        """Begins to start shells."""
        self._loop = asyncio.get_running_loop()
        self._running = not self._reason
        self._maintain()

    async def stop(self) -> None:
        """Kills every shell; returns when all are gone."""
        self._end()
        if self._starting:
            await asyncio.wait(self._starting)
        for shell in [*self._idle_shells(), *self._lent]:
            self.discard(shell)
        await asyncio.gather(*(shell.gone() for shell in list(self._dying)))

    async def acquire(self, bundle_id: str | None, *, is_patient: bool = False) -> Shell:
        """A shell warm for the bundle or a blank one. `Busy` when there is none in time,
        `RuntimeUnavailable` when this node cannot run the language.

        Who is patient, because others may join meanwhile, leaves an idle shell alone for a moment
        when the bundle runs in another one and all processors are busy.
        """
        began = self._loop.time()
        while True:
            shell = None
            if self._running and not (is_patient and self._had_better_wait(bundle_id, 0.0)):
                shell = self._take(bundle_id, waited=0.0)
            if shell is None:
                shell = await self._wait(bundle_id, is_patient)
            now = self._loop.time()
            if now - shell.idle_since < _STALE_SECONDS:
                self.figures.waits.observe(now - began)
                return shell
            try:
                if await shell.ping(_PING_SECONDS):
                    self.figures.waits.observe(self._loop.time() - began)
                    return shell
            except BaseException:
                self.discard(shell)
                raise
            self.discard(shell)

    def is_ready(self, bundle_id: str) -> bool:
        """Whether `acquire` would give a shell at once, even to the patient."""
        return (
            self._running
            and self._may_take(bundle_id)
            and not self._had_better_wait(bundle_id, 0.0)
        )

    def release(self, shell: Shell) -> None:
        """Takes a shell back that has finished its call and may serve the next of its bundle."""
        if shell not in self._lent or not shell.alive or not self._running:
            self.discard(shell)
            return
        shell.idle_since = self._loop.time()
        self._forget_loan(shell)
        if not self._keep(shell):
            self._dispose(shell)
            self._maintain()
        elif self._waiters:
            self._dispatch()

    def discard(self, shell: Shell) -> None:
        """Kills a shell, lent or idle; another one takes its place when it is needed."""
        self._forget_loan(shell)
        self._remove_idle(shell)
        self._dispose(shell)
        if self._running:
            self._maintain()

    def used_shells(self) -> tuple[Shell, ...]:
        """The shells that run something or belong to sessions."""
        return (*self._lent, *self._preparing)

    def shells_by_state(self) -> dict[str, int]:
        """How many shells run something or belong to sessions, are ready, or on their way."""
        return {
            "busy": len(self._lent),
            "idle": self._idle_count(),
            "starting": len(self._starting),
        }

    def pids(self) -> list[int]:
        """The processes of all shells but those that are about to end."""
        return [shell.pid for shell in (*self._idle_shells(), *self._lent, *self._preparing)]

    @property
    def n_waiting(self) -> int:
        """How many calls are in line."""
        return len(self._waiters)

    # The policy of a pool.

    def _idle_shells(self) -> Sequence[Shell]:
        """The shells that nobody uses."""
        raise NotImplementedError

    def _idle_count(self) -> int:
        """How many they are."""
        raise NotImplementedError

    def _n_lent(self, bundle_id: str | None) -> int:
        """How many shells run the bundle."""
        raise NotImplementedError

    def _may_take(self, bundle_id: str) -> bool:
        """Whether `_take` would give a shell to a call that has just come."""
        raise NotImplementedError

    def _take(self, bundle_id: str | None, *, waited: float) -> Shell | None:
        """An idle shell for a call that has waited so many seconds, now lent."""
        raise NotImplementedError

    def _keep(self, shell: Shell) -> bool:
        """Puts a shell that was given back among the idle ones; False when it has to go."""
        raise NotImplementedError

    def _remove_idle(self, shell: Shell) -> None:
        """Forgets an idle shell; nothing when it is none."""
        raise NotImplementedError

    def _wants_shell(self) -> bool:
        """Whether another shell is to be started now."""
        raise NotImplementedError

    def _make_room(self) -> None:
        """Before a decision to start a shell: ends what may give way to it."""

    async def _prepare(self, shell: Shell) -> None:
        """Makes a shell that has started ready to be lent; `ShellDied` or `LoadFailed` if not."""

    def _add_started(self, shell: Shell) -> bool:
        """Puts a new shell among the idle ones; False when it is not needed any more."""
        raise NotImplementedError

    # Mechanics.

    def _had_better_wait(self, bundle_id: str | None, waited: float) -> bool:
        # Without a processor to spare a second run would only slow down the first, and the node.
        return (
            waited < GROWTH_WAIT_SECONDS
            and self._n_lent(bundle_id) > 0
            and not self._idle_meter.has_idle_processor()
        )

    def _total(self) -> int:
        return self._idle_count() + len(self._lent) + len(self._starting)

    def _available(self) -> bool:
        if self._running and self._failures < _FAILURES_IN_A_ROW:
            return True
        return self._total() > len(self._starting)

    def _refusal(self) -> Exception:
        """Why a call cannot get a shell, when none is available."""
        return RuntimeUnavailable(self._reason or "The compute node is stopping.")

    def _lend(self, shell: Shell, bundle_id: str | None) -> Shell:
        self._remove_idle(shell)
        self._lent[shell] = bundle_id
        return shell

    def _forget_loan(self, shell: Shell) -> None:
        self._lent.pop(shell, None)

    def _dispose(self, shell: Shell) -> None:
        shell.on_death = None
        shell.kill()
        if shell not in self._dying:
            self.figures.n_deaths += shell.has_died
            self._dying.add(shell)
            gone = self._loop.create_task(shell.gone())
            gone.add_done_callback(lambda _: self._dying.discard(shell))

    def _end(self) -> None:
        """Lends no more: whoever waits is refused, what is starting is broken off."""
        self._running = False
        for timer in (self._timer, self._retry):
            if timer:
                timer.cancel()
        for waiter in self._waiters:
            waiter.shell.cancel()
        for task in self._starting:
            task.cancel()

    async def _wait(self, bundle_id: str | None, is_patient: bool) -> Shell:
        if not self._running or not self._available():
            raise self._refusal()
        if len(self._waiters) >= self._queue_length:
            raise Busy("All shells are busy and the queue is full. Try again shortly.")
        waiter = Waiter(bundle_id, self._loop.time(), self._loop.create_future(), is_patient)
        self._waiters.append(waiter)
        self._tick_soon()
        self._maintain()
        try:
            async with asyncio.timeout(self._queue_seconds):
                return await waiter.shell
        except TimeoutError:
            self._return_unused(waiter)
            raise Busy("All shells are busy. Try again shortly.") from None
        except asyncio.CancelledError:
            self._return_unused(waiter)
            if not self._running:
                raise self._refusal() from None
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _return_unused(self, waiter: Waiter) -> None:
        # The shell may have been assigned in the very moment the wait was given up.
        if waiter.shell.done() and not waiter.shell.cancelled() and not waiter.shell.exception():
            self.release(waiter.shell.result())

    def _dispatch(self) -> None:
        now = self._loop.time()
        refused: set[str | None] = set()  # bundles: who waits behind has not waited longer
        for waiter in list(self._waiters):
            if waiter.shell.done() or waiter.bundle_id in refused:
                continue
            if not self._idle_count():
                return
            waited = now - waiter.since
            if waiter.is_patient and self._had_better_wait(waiter.bundle_id, waited):
                continue
            shell = self._take(waiter.bundle_id, waited=waited)
            if shell:
                self._waiters.remove(waiter)
                waiter.shell.set_result(shell)
            else:
                refused.add(waiter.bundle_id)

    def _tick_soon(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._waiters and self._running:
            self._dispatch()
            self._maintain()
            self._tick_soon()

    def _maintain(self) -> None:
        if not self._running or self._loop.time() < self._not_before:
            return
        if len(self._starting) < self._starts_at_once:
            self._make_room()
        while len(self._starting) < self._starts_at_once and self._wants_shell():
            task = self._loop.create_task(self._start_one())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        try:
            shell = await self._started()
        except Exception as error:
            if not isinstance(error, ShellDied | LoadFailed | OSError):
                logger.exception("Starting a %s shell failed by a fault of ours", self.runtime)
            self._forget_start()
            self._note_failure(error)
            return
        self._forget_start()
        self._failures, self._reason = 0, ""
        shell.idle_since = self._loop.time()
        shell.on_death = self._shell_died
        if not self._add_started(shell):
            self._dispose(shell)
        self._dispatch()
        self._maintain()

    async def _started(self) -> Shell:
        shell = await self._start_blank()
        self.figures.n_starts += 1
        shell.on_loaded = self.figures.note_load
        self._preparing.add(shell)
        try:
            await self._prepare(shell)
        except BaseException:
            self._dispose(shell)
            raise
        finally:
            self._preparing.discard(shell)
        return shell

    async def _start_blank(self) -> Shell:
        return await self._starter.start()

    def _forget_start(self) -> None:
        if task := asyncio.current_task():
            self._starting.discard(task)

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        self.figures.n_failed_starts += 1
        self._reason = f"{self.runtime} shells do not start: {error}"
        logger.error("%s", self._reason)
        self._fail_waiters_and_retry()

    def _fail_waiters_and_retry(self) -> None:
        delay = min(_BACKOFF_MAX_SECONDS, 0.25 * 2 ** min(self._failures, 10))
        self._not_before = self._loop.time() + delay
        self._retry = self._loop.call_later(delay + 0.01, self._maintain)
        if not self._available():
            for waiter in self._waiters:
                if not waiter.shell.done():
                    waiter.shell.set_exception(self._refusal())

    def _shell_died(self, shell: Shell) -> None:
        if shell not in self._lent:  # whoever holds it is told by its call and discards it
            logger.warning("An idle %s shell died", self.runtime)
            self.discard(shell)
