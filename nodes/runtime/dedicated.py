"""A dedicated pool: shells that are warm for one bundle before it is called, and serve no other."""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .bundles import Bundle
from .config import NodeConfig
from .errors import LoadFailed, PoolMissing, ShellDied
from .lending import GROWTH_WAIT_SECONDS, Lender
from .loading import load
from .shell import Shell
from .starting import Starter

logger = logging.getLogger(__name__)

_REASON_MAX_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many shells are there from the beginning, and how many there may be at most."""

    initial: int
    max: int


class DedicatedPool(Lender):
    """Lends shells of one bundle.

    The first ones are started and loaded before anybody calls; further ones, up to the maximum,
    when a call has waited for a moment. They stay until they die, the maximum is lowered or the
    pool is retired. No shell comes from the generic pool, however long the line.
    """

    def __init__(
        self,
        starter: Starter,
        bundle: Bundle,
        size: PoolSize,
        config: NodeConfig,
        starts: asyncio.Semaphore,
    ) -> None:
        super().__init__(
            starter, queue_length=config.queue_length, queue_seconds=config.queue_seconds
        )
        self._starts_at_once = len(os.sched_getaffinity(0))
        self._starts = starts  # shared, or all pools would start at once with the node
        self._run_seconds = config.run_seconds
        self.bundle = bundle
        self.size = size
        self._idle: list[Shell] = []  # the one used last is used next
        self._load_failure: LoadFailed | None = None
        self._was_warm = size.initial == 0
        self._is_retired = False

    def resize(self, size: PoolSize) -> None:
        """Starts or ends idle shells as the new size asks; busy ones finish first."""
        self.size = size
        self._was_warm = self._warm_count() >= size.initial
        while self._idle and self._total() > size.max:
            self.discard(self._idle[0])
        if self._running:
            self._maintain()

    def retire(self) -> None:
        """Ends the pool: who waits gets `PoolMissing`, busy shells finish their calls."""
        self._is_retired = True
        self._end()
        for shell in list(self._idle):
            self.discard(shell)

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left of a retired pool."""
        return not (self._lent or self._starting or self._dying)

    def report(self) -> dict[str, Any]:
        """Sizes, status (wire-api section 2) and figures of the pool."""
        return {
            "bundle": self.bundle.id,
            "pool": self.bundle.manifest.pool,
            "initialSize": self.size.initial,
            "maxSize": self.size.max,
            "status": "Success" if self._is_ready() else "Pending",
            "reason": self._reason[:_REASON_MAX_CHARACTERS],
            "currentPoolSize": self._warm_count(),
            "activeShellCount": len(self._lent),
        }

    def _warm_count(self) -> int:
        return len(self._idle) + len(self._lent)

    def _is_ready(self) -> bool:
        # A shell that died is replaced at once: that alone makes a pool not pending again.
        if self._warm_count() >= max(self.size.initial, 1):
            return True
        return self._was_warm and self._running and not self._failures

    def _available(self) -> bool:
        hopeless = self._load_failure is not None or not super()._available()
        if self._running and not (hopeless and self._loop.time() < self._not_before):
            return True  # after the pause a call may be the one that finds it mended
        return self._total() > len(self._starting)

    def _refusal(self) -> Exception:
        if self._is_retired:
            return PoolMissing("The dedicated pool of this bundle was removed.")
        if self._load_failure and self._running:
            return LoadFailed(self._load_failure.message, self._load_failure.console)
        return super()._refusal()

    def _idle_shells(self) -> Sequence[Shell]:
        return self._idle

    def _idle_count(self) -> int:
        return len(self._idle)

    def _n_lent(self, bundle_id: str | None) -> int:  # noqa: ARG002
        return len(self._lent)

    def _may_take(self, bundle_id: str) -> bool:  # noqa: ARG002
        return bool(self._idle)

    def _take(self, bundle_id: str | None, *, waited: float) -> Shell | None:  # noqa: ARG002
        return self._lend(self._idle[-1], bundle_id) if self._idle else None

    def _keep(self, shell: Shell) -> bool:
        if self._total() >= self.size.max:
            return False
        self._idle.append(shell)
        return True

    def _remove_idle(self, shell: Shell) -> None:
        if shell in self._idle:
            self._idle.remove(shell)

    def _wants_shell(self) -> bool:
        total = self._total()
        if total < self.size.initial:
            return True
        return total < self.size.max and self._calls_in_need() > len(self._starting)

    def _calls_in_need(self) -> int:
        limit = self._loop.time() - (GROWTH_WAIT_SECONDS if self._total() else 0)
        return sum(1 for waiter in self._waiters if waiter.since <= limit)

    async def _start_blank(self) -> Shell:
        async with self._starts:
            return await super()._start_blank()

    async def _prepare(self, shell: Shell) -> None:
        try:
            await load(
                shell,
                self.bundle,
                deadline=self._loop.time() + self._run_seconds,
                expired=f"Loading was stopped after {self._run_seconds:g} seconds.",
            )
        except ShellDied as death:
            raise LoadFailed(str(death), shell.console.finish()) from None

    def _add_started(self, shell: Shell) -> bool:
        self._load_failure = None
        if not self._keep(shell):
            return False
        self._was_warm = self._was_warm or self._warm_count() >= self.size.initial
        return True

    def _note_failure(self, error: Exception) -> None:
        if not isinstance(error, LoadFailed):
            self._load_failure = None
            super()._note_failure(error)
            return
        self._load_failure = error
        self._failures += 1
        self._reason = f"The bundle cannot be loaded: {error.message}"
        logger.warning("Dedicated pool of bundle %s: %s", self.bundle.id, self._reason)
        self._fail_waiters_and_retry()
