"""One worker's part in one batch: its lease, the items it has claimed, those that are running."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import IntegrityError
from django.utils import timezone

from mlops.errors import Busy, MlopsError, NodeFailure, NotFound
from services.batches import leases
from services.batches.leases import Chunk, Grant, Item, LeaseLost
from services.batches.outcomes import Outcome, answered, failed
from services.catalogue import PublishedVersion
from services.scoring import BATCH, score

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Calls the function in the thread that has the database connection.
Database = Callable[..., Awaitable[Any]]

TICK_SECONDS = 0.2
RENEW_SECONDS = 10.0  # or a quarter of the lease, if that is less
MOST_ATTEMPTS = 3  # of an item whose node failed while it may have been running
_MOST_UNRECORDED = 100  # results, beyond which recording does not wait for the tick
_QUEUED_BYTES = 16 * 1024 * 1024  # beyond that nothing more is claimed
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class Part:
    """Runs items of a batch, at most `wanted` and what its lease grants at a time.

    `published` is the version as it is now; whoever drives the part keeps it current.
    """

    def __init__(
        self,
        batch_id: UUID,
        grant: Grant,
        published: PublishedVersion,
        *,
        parallel_count: int,
        wanted: int,
        database: Database,
    ) -> None:
        self.batch_id = batch_id
        self.parallel_count = parallel_count
        self.published = published
        self.wanted = wanted
        self._database = database
        self._lease_id = grant.lease_id
        self._loop = asyncio.get_running_loop()
        self._renewed_at = self._loop.time()
        self._queue: deque[tuple[Chunk, Item]] = deque()
        self._n_left: dict[int, int] = {}  # by chunk: items without a recorded result
        self._running: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Chunk, Outcome]] = []
        self._n_last_recorded = 0
        self._emptied: list[int] = []
        self._wake = asyncio.Event()
        self._is_draining = False
        self._is_ending = False
        self._n_slots = 0
        self._is_more_left = False
        self._take(grant)
        self._task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether it has ended, its lease given back or lost."""
        return self._task.done()

    def when_over(self, callback: Callable[[], None]) -> None:
        """Have `callback` called at its end."""
        self._task.add_done_callback(lambda _: callback())

    def abort(self) -> None:
        """Break off what is running: the batch is not wanted any more."""
        if not self._is_ending:
            self._is_ending = True  # what it still has to do must not be broken off as well
            self._task.cancel()

    def drain(self) -> None:
        """Start nothing more, and end when what is running has ended."""
        self._is_draining = True
        self._queue.clear()
        self._wake.set()

    async def ended(self) -> None:
        """Returns when it is over."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while not self._is_finished():
                self._start_items()
                await self._pause()
                if self._must_exchange():
                    await self._exchange()
        except LeaseLost:
            logger.info("This worker's part in batch %s has ended early.", self.batch_id)
        except Exception:
            logger.exception("A part of batch %s broke; it will be taken up again.", self.batch_id)
        finally:
            await self._end()

    def _is_finished(self) -> bool:
        return not (
            self._queue
            or self._running
            or self._outcomes
            or self._emptied
            or (self._is_more_left and not self._is_draining)
        )

    def _start_items(self) -> None:
        while (
            self._queue
            and not self._is_ending
            and len(self._running) < min(self._n_slots, self.wanted)
        ):
            chunk, item = self._queue.popleft()
            task = self._loop.create_task(self._run_item(chunk, item))
            self._running.add(task)
            task.add_done_callback(self._item_ended)

    def _item_ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("An item of batch %s broke.", self.batch_id, exc_info=error)
            self.abort()
        self._start_items()
        if not self._running or len(self._outcomes) >= _MOST_UNRECORDED:
            self._wake.set()

    async def _pause(self) -> None:
        """Until the next tick, until nothing is running, or until many results are to be recorded.

        What is not recorded is run again when this process dies.
        """
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    # The lease.

    def _must_exchange(self) -> bool:
        renew_after = min(RENEW_SECONDS, settings.BATCH_LEASE_SECONDS / 4)
        return bool(
            self._outcomes
            or self._emptied
            or self._n_items_wanted() > 0
            or self._loop.time() - self._renewed_at > renew_after
        )

    def _n_items_wanted(self) -> int:
        """Items to claim: enough for the slots until the next tick, given the pace so far."""
        if self._is_draining or not self._is_more_left:
            return 0
        if sum(len(item.body) for _, item in self._queue) > _QUEUED_BYTES:
            return 0
        n_soon = min(self._n_slots, self.wanted) + min(self._n_last_recorded, _MOST_UNRECORDED)
        return 2 * n_soon - len(self._queue) if len(self._queue) < n_soon else 0

    async def _exchange(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        for chunk, _ in outcomes:
            self._n_left[chunk.pk] -= 1
        self._emptied += [pk for pk, n_left in self._n_left.items() if not n_left]
        for pk in self._emptied:
            self._n_left.pop(pk, None)
        self._n_last_recorded = len(outcomes)
        grant = await self._repeated(
            leases.exchange,
            self.batch_id,
            self._lease_id,
            outcomes=[outcome for _, outcome in outcomes],
            done=self._emptied,
            n_slots=max(1, self.wanted, len(self._running)),
            n_items=self._n_items_wanted(),
        )
        self._emptied = []
        self._renewed_at = self._loop.time()
        self._take(grant)

    def _take(self, grant: Grant) -> None:
        self._n_slots = grant.n_slots
        self._is_more_left = grant.is_more_left
        for chunk in grant.chunks:
            if chunk.items:
                self._n_left[chunk.pk] = len(chunk.items)
                self._queue.extend((chunk, item) for item in chunk.items)
            else:
                self._emptied.append(chunk.pk)

    async def _repeated(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """The function's result, however often the database has to be asked.

        LeaseLost when it says that a result is there already: an earlier try did succeed.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                result: T = await self._database(function, *args, now=timezone.now(), **options)
            except IntegrityError:
                logger.warning("Results of batch %s are recorded already.", self.batch_id)
                raise LeaseLost from None
            except DatabaseFailure:
                logger.warning("The database fails; trying again.", exc_info=True)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return result

    async def _end(self) -> None:
        """Break off what is still running, record what came of the rest, give the lease back."""
        self._is_ending = self._is_draining = True
        self._queue.clear()
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        try:
            if self._outcomes:
                await self._exchange()
            await self._database(leases.release, self._lease_id)
        except LeaseLost:
            pass
        except DatabaseFailure:
            logger.warning("A lease could not be given back; it will expire.", exc_info=True)

    # Items.

    async def _run_item(self, chunk: Chunk, item: Item) -> None:
        outcome = await self._outcome_of(item)
        if outcome is not None:
            self._outcomes.append((chunk, outcome))

    async def _outcome_of(self, item: Item) -> Outcome | None:
        """What came of the item; None when the version is gone."""
        n_failures, pause = 0, _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout(settings.BATCH_ITEM_SECONDS):
                    return answered(item.index, await self._score(item))
            except Busy:
                pass  # nothing was run: it waits for its turn, however long
            except NodeFailure as error:
                n_failures += 1
                if n_failures == MOST_ATTEMPTS:
                    return failed(item.index, error.message)
            except NotFound:
                self.abort()
                return None
            except TimeoutError:
                return failed(
                    item.index,
                    f"The item was stopped after {settings.BATCH_ITEM_SECONDS} seconds, "
                    "the longest that an item of a batch may take.",
                )
            except MlopsError as error:
                return failed(item.index, error.message)
            except Exception:
                logger.exception("Item %d of batch %s broke.", item.index, self.batch_id)
                return failed(item.index, "Something went wrong on the server; its log says more.")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _score(self, item: Item) -> bytes:
        correlation_id = f"{self.batch_id}/{item.index}"
        return await score(self.published, item.body, correlation_id=correlation_id, source=BATCH)
