"""The generic pool of one runtime: blank shells ready, and warm ones per bundle."""

import asyncio
import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from .config import NodeConfig
from .lending import GROWTH_WAIT_SECONDS, Lender, Waiter
from .shell import Shell
from .starting import Starter

_STALL_SECONDS = 0.5
_RECYCLE_EVERY_SECONDS = 5.0


class Pool(Lender):
    """Lends the shells that all bundles without a dedicated pool, and all sessions, share.

    A request takes an idle shell that is warm for its bundle, else a blank one, else it waits in
    line. While below the maximum one blank is kept in reserve, started one at a time, so the pool
    grows as blanks are used up. A bundle with as many shells as there are processors gets a
    further one only when that helps: its request has waited for a moment and processors are idle,
    or nothing has come back for long. At the maximum the idle shell that was used least recently
    makes room.
    """

    def __init__(self, starter: Starter, config: NodeConfig) -> None:
        super().__init__(
            starter, queue_length=config.queue_length, queue_seconds=config.queue_seconds
        )
        self._max = config.pool_max_size
        self._initial = min(config.pool_initial_size, config.pool_max_size)
        self._idle_seconds = config.shell_idle_seconds
        self._processors = len(os.sched_getaffinity(0))
        self._blank: list[Shell] = []
        self._warm: dict[str, list[Shell]] = {}
        self._idle: OrderedDict[Shell, None] = OrderedDict()  # warm ones, least recently used first
        self._lent_per_bundle: Counter[str | None] = Counter()
        self._recycler: asyncio.TimerHandle | None = None
        self._last_return = 0.0

    def start(self) -> None:
        """Begins to start blank shells."""
        super().start()
        self._recycle()

    def bundles_in_use(self) -> set[str]:
        """The bundles that some shell has loaded, or is about to."""
        waiting = (waiter.bundle_id for waiter in self._waiters)
        return {name for name in (*self._warm, *self._lent_per_bundle, *waiting) if name}

    def health(self) -> dict[str, Any]:
        """The figures of this runtime for the health report (compute node API)."""
        available = self._available()
        idle = self._idle_count()
        return {
            "available": available,
            "reason": "" if available else self._reason,
            "maxPoolSize": self._max,
            "currentPoolSize": idle + len(self._lent),
            "activeShellCount": len(self._lent),
            "canOpenShell": available and (idle > 0 or self._total() < self._max),
        }

    def _end(self) -> None:
        super()._end()
        if self._recycler:
            self._recycler.cancel()

    def _idle_shells(self) -> Sequence[Shell]:
        return [*self._blank, *self._idle]

    def _idle_count(self) -> int:
        return len(self._blank) + len(self._idle)

    def _take(self, bundle_id: str | None, *, waited: float) -> Shell | None:
        shells = self._warm.get(bundle_id) if bundle_id else None
        if shells:
            return self._lend(shells[-1], bundle_id)
        if self._blank and self._may_use_blank(bundle_id, waited):
            return self._lend(self._blank[-1], bundle_id)
        return None

    def _n_lent(self, bundle_id: str | None) -> int:
        return self._lent_per_bundle[bundle_id]

    def _may_take(self, bundle_id: str) -> bool:
        if bundle_id in self._warm:
            return True
        return bool(self._blank) and self._may_use_blank(bundle_id, 0.0)

    def _may_use_blank(self, bundle_id: str | None, waited: float) -> bool:
        if bundle_id is None or self._lent_per_bundle[bundle_id] < self._processors:
            return True
        if waited < GROWTH_WAIT_SECONDS:
            return False
        stalled = self._loop.time() - self._last_return > _STALL_SECONDS
        return stalled or self._idle_meter.has_idle_processor()

    def _lend(self, shell: Shell, bundle_id: str | None) -> Shell:
        super()._lend(shell, bundle_id)
        self._lent_per_bundle[bundle_id] += 1
        if not self._blank:
            self._maintain()
        return shell

    def _forget_loan(self, shell: Shell) -> None:
        if shell in self._lent:
            bundle_id = self._lent[shell]
            self._lent_per_bundle[bundle_id] -= 1
            if not self._lent_per_bundle[bundle_id]:
                del self._lent_per_bundle[bundle_id]
        super()._forget_loan(shell)

    def _keep(self, shell: Shell) -> bool:
        self._last_return = shell.idle_since
        waiter = self._next_waiter()
        if shell.bundle_id is None:
            self._blank.append(shell)
        elif waiter and self._must_make_room_for(waiter, shell):
            return False
        else:
            self._warm.setdefault(shell.bundle_id, []).append(shell)
            self._idle[shell] = None
        return True

    def _next_waiter(self) -> Waiter | None:
        return next((waiter for waiter in self._waiters if not waiter.shell.done()), None)

    def _must_make_room_for(self, waiter: Waiter, shell: Shell) -> bool:
        # Else a steady stream of calls of one bundle would keep all shells for itself for ever.
        return (
            waiter.bundle_id != shell.bundle_id
            and self._loop.time() - waiter.since > GROWTH_WAIT_SECONDS
            and not self._blank
            and not self._idle
            and not self._starting
            and self._total() + 1 >= self._max
        )

    def _remove_idle(self, shell: Shell) -> None:
        if shell in self._blank:
            self._blank.remove(shell)
        if shell in self._idle and shell.bundle_id:
            del self._idle[shell]
            shells = self._warm[shell.bundle_id]
            shells.remove(shell)
            if not shells:
                del self._warm[shell.bundle_id]

    def _wants_shell(self) -> bool:
        total = self._total()
        return (not self._blank or total < self._initial) and total < self._max

    def _make_room(self) -> None:
        if self._total() >= self._max and self._waiters and self._idle and not self._blank:
            shell = next(iter(self._idle))
            self._remove_idle(shell)
            self._dispose(shell)

    def _add_started(self, shell: Shell) -> bool:
        self._blank.append(shell)
        return True

    def _recycle(self) -> None:
        self._recycler = self._loop.call_later(_RECYCLE_EVERY_SECONDS, self._recycle)
        limit = self._loop.time() - self._idle_seconds
        for shell in [shell for shell in self._idle if shell.idle_since < limit]:
            self.discard(shell)
