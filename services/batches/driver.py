"""Runs batches in this process: a message wakes it, and it goes on while there is work."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connections
from django.utils import timezone

from nodes.compute_node import run_sync
from services.batches import leases
from services.batches.holders import is_known_dead, this_process
from services.batches.leases import Grant
from services.batches.part import Part
from services.batches.shares import fair_shares
from services.catalogue import PublishedVersion
from services.models import Batch

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
DRAIN_SECONDS = 5.0  # in which what is running may end when the worker is told to stop


@dataclass(frozen=True)
class _Found:
    """A batch that waits for somebody to run it."""

    batch_id: UUID
    parallel_count: int


class Driver:
    """The parts that one process has in batches. All share a number of parallel calls fairly."""

    def __init__(self, *, holder: str = "") -> None:
        self._holder = holder or this_process()
        self._parts: dict[UUID, Part] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Returns when there is nothing left to do, or soon after `stop`."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._is_stopping:
                await self._look()
                if not self._parts:
                    return
                await self._pause()
            await self._drain()
        finally:
            for part in self._parts.values():
                part.abort()
            for part in self._parts.values():
                await part.ended()
            self._thread.submit(connections.close_all)
            self._thread.shutdown(wait=False)

    def look_soon(self) -> None:
        """Look for work at once; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """Let what is running end for some seconds, then break it off; from any thread."""
        self._is_stopping = True
        self.look_soon()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _drain(self) -> None:
        for part in self._parts.values():
            part.drain()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                for part in self._parts.values():
                    await part.ended()
        except TimeoutError:
            logger.info("Items of batches are broken off; another worker will run them.")

    async def _look(self) -> None:
        """Drop the parts that are over or not wanted, take up new ones, share anew."""
        self._forget_ended()
        try:
            current = await self._in_thread(_current_versions, list(self._parts))
            found = await self._in_thread(_find_work, list(self._parts), self._capacity())
        except DatabaseFailure:
            logger.warning("The database fails; looking for batches later.", exc_info=True)
            return
        for batch_id, part in self._parts.items():
            if batch_id in current:
                part.published = current[batch_id]
            else:
                part.abort()
        wishes = [part.parallel_count for part in self._parts.values()]
        wishes += [batch.parallel_count for batch in found]
        wanted = fair_shares(self._capacity(), wishes)
        for part, share in zip(self._parts.values(), wanted, strict=False):
            part.wanted = share
        for batch, share in zip(found, wanted[len(self._parts) :], strict=True):
            await self._take_up(batch, share)
        self._forget_ended()

    async def _take_up(self, batch: _Found, share: int) -> None:
        try:
            claimed = await self._in_thread(_claim, batch.batch_id, self._holder, share)
        except DatabaseFailure:
            logger.warning("The database fails; looking for batches later.", exc_info=True)
            return
        if claimed is not None:
            grant, published = claimed
            part = self._parts[batch.batch_id] = Part(
                batch.batch_id,
                grant,
                published,
                parallel_count=batch.parallel_count,
                wanted=share,
                database=self._in_thread,
            )
            part.when_over(self._wake.set)

    def _forget_ended(self) -> None:
        self._parts = {pk: part for pk, part in self._parts.items() if not part.is_over}

    def _capacity(self) -> int:
        return settings.MAX_THREADS_PER_BATCH

    async def _in_thread(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """The function's result, called in the thread that has the database connection."""

        def call() -> Any:
            try:
                return function(*args, **options)
            except DatabaseFailure:
                connections.close_all()  # the next call begins with a new one
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


_driving = threading.Lock()
_driver: Driver | None = None


def run_batches() -> None:
    """Run batches in this process until nothing is left to do.

    When that is being done already it is told to look for more.
    """
    global _driver
    if not _driving.acquire(blocking=False):
        if _driver is not None:
            _driver.look_soon()
        return
    try:
        _driver = Driver()
        run_sync(_driver.run())
    finally:
        _driver = None
        _driving.release()


def stop() -> None:
    """Have this process run no more batches; another may take them up at once."""
    if _driver is not None:
        _driver.stop()


def _find_work(besides: Collection[UUID], capacity: int) -> list[_Found]:
    leases.take_away_lost(now=timezone.now(), is_known_dead=is_known_dead)
    limit = capacity - len(besides)
    return [_Found(*found) for found in leases.claimable(besides=besides, limit=max(0, limit))]


def _claim(batch_id: UUID, holder: str, share: int) -> tuple[Grant, PublishedVersion] | None:
    grant = leases.claim(
        batch_id, holder=holder, n_slots=share, n_items=2 * share, now=timezone.now()
    )
    if grant is None:
        return None
    published = _current_versions([batch_id]).get(batch_id)
    if published is None:
        leases.release(grant.lease_id)
        return None
    return grant, published


def _current_versions(batch_ids: Collection[UUID]) -> dict[UUID, PublishedVersion]:
    """For each of the batches that are still to be run its version as it is now."""
    batches = Batch.objects.unfinished().filter(pk__in=batch_ids)
    return {
        batch.pk: PublishedVersion.of(batch.version)
        for batch in batches.select_related("version__service")
        if batch.version is not None
    }
