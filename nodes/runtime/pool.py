"""The shells of one runtime: blank ones ready, warm ones per bundle, a bounded queue."""

import asyncio
import logging
import os
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from .config import NodeConfig
from .cpu import IdleMeter
from .errors import Busy, RuntimeUnavailable, ShellDied
from .shell import Shell
from .starting import Starter

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.025
_GROWTH_WAIT_SECONDS = 0.05
_STALL_SECONDS = 0.5
_RECYCLE_EVERY_SECONDS = 5.0
_BACKOFF_MAX_SECONDS = 30.0
_FAILURES_IN_A_ROW = 2  # one alone may be an accident
_STALE_SECONDS = 10.0
_PING_SECONDS = 2.0


@dataclass(eq=False, slots=True)
class _Waiter:
    bundle_id: str | None  # None: any blank shell, for a session
    since: float
    shell: "asyncio.Future[Shell]"


class Pool:
    """Lends shells. Whoever `acquire`s one gives it back with `release`, or `discard`s it.

    A request takes an idle shell that is warm for its bundle, else a blank one, else it waits in
    line. While below the maximum one blank is kept in reserve, started one at a time, so the pool
    grows as blanks are used up. A bundle with as many shells as there are processors gets a
    further one only when that helps: its request has waited for a moment and processors are idle,
    or nothing has come back for long. At the maximum the idle shell that was used least recently
    makes room.
    """

    def __init__(self, starter: Starter, config: NodeConfig) -> None:
        self.runtime = starter.runtime
        self._starter = starter
        self._max = config.pool_max_size
        self._initial = min(config.pool_initial_size, config.pool_max_size)
        self._queue_length = config.queue_length
        self._queue_seconds = config.queue_seconds
        self._idle_seconds = config.shell_idle_seconds
        self._processors = len(os.sched_getaffinity(0))
        self._idle_meter = IdleMeter()
        self._blank: list[Shell] = []
        self._warm: dict[str, list[Shell]] = {}
        self._idle: OrderedDict[Shell, None] = OrderedDict()  # warm ones, least recently used first
        self._lent: dict[Shell, str | None] = {}
        self._lent_per_bundle: Counter[str | None] = Counter()
        self._waiters: deque[_Waiter] = deque()
        self._starting: asyncio.Task[None] | None = None
        self._dying: set[Shell] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._recycler: asyncio.TimerHandle | None = None
        self._failures = 0
        self._not_before = 0.0
        self._reason = starter.missing()
        self._running = False
        self._last_return = 0.0

    def start(self) -> None:
        """Begins to start blank shells."""
        self._loop = asyncio.get_running_loop()
        self._running = not self._reason
        self._recycle()
        self._maintain()

    async def stop(self) -> None:
        """Kills every shell; returns when all are gone."""
        self._running = False
        for timer in (self._timer, self._recycler):
            if timer:
                timer.cancel()
        for waiter in self._waiters:
            waiter.shell.cancel()
        if self._starting:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        for shell in [*self._blank, *self._idle, *self._lent]:
            self.discard(shell)
        await asyncio.gather(*(shell.gone() for shell in list(self._dying)))

    async def acquire(self, bundle_id: str | None) -> Shell:
        """A shell warm for the bundle or a blank one. `Busy` when there is none in time,
        `RuntimeUnavailable` when this node cannot run the language."""
        while True:
            shell = self._take(bundle_id, waited=0.0) if self._running else None
            if shell is None:
                shell = await self._wait(bundle_id)
            if self._loop.time() - shell.idle_since < _STALE_SECONDS:
                return shell
            try:
                if await shell.ping(_PING_SECONDS):
                    return shell
            except BaseException:
                self.discard(shell)
                raise
            self.discard(shell)

    def release(self, shell: Shell) -> None:
        """Takes a shell back that has finished its call and may serve the next of its bundle."""
        if shell not in self._lent or not shell.alive or not self._running:
            self.discard(shell)
            return
        self._last_return = shell.idle_since = self._loop.time()
        self._forget_loan(shell)
        waiter = self._next_waiter()
        if shell.bundle_id is None:
            self._blank.append(shell)
        elif waiter and self._must_make_room_for(waiter, shell):
            self._dispose(shell)
            self._maintain()
            return
        else:
            self._warm.setdefault(shell.bundle_id, []).append(shell)
            self._idle[shell] = None
        if self._waiters:
            self._dispatch()

    def discard(self, shell: Shell) -> None:
        """Kills a shell, lent or idle; another one takes its place when it is needed."""
        self._forget_loan(shell)
        self._remove_idle(shell)
        self._dispose(shell)
        if self._running:
            self._maintain()

    def lent_shells(self) -> tuple[Shell, ...]:
        """The shells that run something or belong to sessions."""
        return tuple(self._lent)

    def bundles_in_use(self) -> set[str]:
        """The bundles that some shell has loaded, or is about to."""
        waiting = (waiter.bundle_id for waiter in self._waiters)
        return {name for name in (*self._warm, *self._lent_per_bundle, *waiting) if name}

    def health(self) -> dict[str, Any]:
        """The figures of this runtime for the health report (compute node API)."""
        available = self._available()
        idle = len(self._blank) + len(self._idle)
        return {
            "available": available,
            "reason": "" if available else self._reason,
            "maxPoolSize": self._max,
            "currentPoolSize": idle + len(self._lent),
            "activeShellCount": len(self._lent),
            "canOpenShell": available and (idle > 0 or self._total() < self._max),
        }

    def _available(self) -> bool:
        if self._running and self._failures < _FAILURES_IN_A_ROW:
            return True
        return self._total() > (1 if self._starting else 0)

    def _total(self) -> int:
        starting = 1 if self._starting else 0
        return len(self._blank) + len(self._idle) + len(self._lent) + starting

    def _take(self, bundle_id: str | None, *, waited: float) -> Shell | None:
        shells = self._warm.get(bundle_id) if bundle_id else None
        if shells:
            return self._lend(shells[-1], bundle_id)
        if self._blank and self._may_use_blank(bundle_id, waited):
            return self._lend(self._blank[-1], bundle_id)
        return None

    def _may_use_blank(self, bundle_id: str | None, waited: float) -> bool:
        if bundle_id is None or self._lent_per_bundle[bundle_id] < self._processors:
            return True
        if waited < _GROWTH_WAIT_SECONDS:
            return False
        stalled = self._loop.time() - self._last_return > _STALL_SECONDS
        return stalled or self._idle_meter.has_idle_processor()

    def _lend(self, shell: Shell, bundle_id: str | None) -> Shell:
        self._remove_idle(shell)
        self._lent[shell] = bundle_id
        self._lent_per_bundle[bundle_id] += 1
        if not self._blank:
            self._maintain()
        return shell

    def _forget_loan(self, shell: Shell) -> None:
        if shell in self._lent:
            bundle_id = self._lent.pop(shell)
            self._lent_per_bundle[bundle_id] -= 1
            if not self._lent_per_bundle[bundle_id]:
                del self._lent_per_bundle[bundle_id]

    def _remove_idle(self, shell: Shell) -> None:
        if shell in self._blank:
            self._blank.remove(shell)
        if shell in self._idle and shell.bundle_id:
            del self._idle[shell]
            shells = self._warm[shell.bundle_id]
            shells.remove(shell)
            if not shells:
                del self._warm[shell.bundle_id]

    def _dispose(self, shell: Shell) -> None:
        shell.on_death = None
        shell.kill()
        if shell not in self._dying:
            self._dying.add(shell)
            gone = self._loop.create_task(shell.gone())
            gone.add_done_callback(lambda _: self._dying.discard(shell))

    async def _wait(self, bundle_id: str | None) -> Shell:
        if not self._running or not self._available():
            raise RuntimeUnavailable(self._reason or "The compute node is stopping.")
        if len(self._waiters) >= self._queue_length:
            raise Busy("All shells are busy and the queue is full. Try again shortly.")
        waiter = _Waiter(bundle_id, self._loop.time(), self._loop.create_future())
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
                raise RuntimeUnavailable("The compute node is stopping.") from None
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _return_unused(self, waiter: _Waiter) -> None:
        # The shell may have been assigned in the very moment the wait was given up.
        if waiter.shell.done() and not waiter.shell.cancelled() and not waiter.shell.exception():
            self.release(waiter.shell.result())

    def _next_waiter(self) -> _Waiter | None:
        return next((waiter for waiter in self._waiters if not waiter.shell.done()), None)

    def _must_make_room_for(self, waiter: _Waiter, shell: Shell) -> bool:
        # Else a steady stream of calls of one bundle would keep all shells for itself for ever.
        return (
            waiter.bundle_id != shell.bundle_id
            and self._loop.time() - waiter.since > _GROWTH_WAIT_SECONDS
            and not self._blank
            and not self._idle
            and self._starting is None
            and self._total() + 1 >= self._max
        )

    def _dispatch(self) -> None:
        now = self._loop.time()
        for waiter in list(self._waiters):
            if waiter.shell.done():
                continue
            if not self._blank and not self._idle:
                return
            shell = self._take(waiter.bundle_id, waited=now - waiter.since)
            if shell:
                self._waiters.remove(waiter)
                waiter.shell.set_result(shell)

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
        if self._starting or not self._running or self._loop.time() < self._not_before:
            return
        if self._total() >= self._max and self._waiters and self._idle and not self._blank:
            self._dispose_least_recently_used()
        wanted = not self._blank or self._total() < self._initial
        if wanted and self._total() < self._max:
            self._starting = self._loop.create_task(self._start_one())

    def _dispose_least_recently_used(self) -> None:
        shell = next(iter(self._idle))
        self._remove_idle(shell)
        self._dispose(shell)

    async def _start_one(self) -> None:
        try:
            shell = await self._starter.start()
        except (ShellDied, OSError) as error:
            self._starting = None
            self._note_failure(str(error))
            return
        except asyncio.CancelledError:
            self._starting = None
            raise
        self._starting = None
        self._failures, self._reason = 0, ""
        shell.idle_since = self._loop.time()
        shell.on_death = self._shell_died
        self._blank.append(shell)
        self._dispatch()
        self._maintain()

    def _note_failure(self, reason: str) -> None:
        self._failures += 1
        self._reason = f"{self.runtime} shells do not start: {reason}"
        logger.error("%s", self._reason)
        delay = min(_BACKOFF_MAX_SECONDS, 0.25 * 2**self._failures)
        self._not_before = self._loop.time() + delay
        self._loop.call_later(delay + 0.01, self._maintain)
        if not self._available():
            for waiter in self._waiters:
                if not waiter.shell.done():
                    waiter.shell.set_exception(RuntimeUnavailable(self._reason))

    def _shell_died(self, shell: Shell) -> None:
        if shell not in self._lent:  # whoever holds it is told by its call and discards it
            logger.warning("An idle %s shell died", self.runtime)
            self.discard(shell)

    def _recycle(self) -> None:
        self._recycler = self._loop.call_later(_RECYCLE_EVERY_SECONDS, self._recycle)
        limit = self._loop.time() - self._idle_seconds
        for shell in [shell for shell in self._idle if shell.idle_since < limit]:
            self.discard(shell)
