"""Bringing the dedicated pools of all compute nodes to what is wanted.

Each round asks the nodes what they have and compares: so new and restarted nodes get the pools that
exist, and whatever a lost message or a killed worker left undone is done by the next round.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops.errors import MlopsError, NotFound
from nodes.compute_node import ComputeNode, NodePool, run_sync
from nodes.picture import Picture
from nodes.registry import registry
from services import pushes
from services.catalogue import PublishedVersion
from services.models import DedicatedPool

logger = logging.getLogger(__name__)

ASK_SECONDS = 3
_NODES_AT_ONCE = 64
_PAUSE_SECONDS = 5.0  # after a failure, doubled by each further one
_PAUSE_MAX_SECONDS = 300.0
_FAILURES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class WantedPool:
    """A pool that each node which runs the version's language is to have."""

    published: PublishedVersion
    initial_size: int
    max_size: int

    def is_what(self, held: NodePool) -> bool:
        """Whether a node's pool has the wanted sizes."""
        return (held.initial_size, held.max_size) == (self.initial_size, self.max_size)


class Failures:
    """What could not be built lately, and for how long it is not tried again.

    Else a bundle that a node refuses would be sent to it in every round.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[int, float]] = {}

    def may_try(self, key: tuple[str, str]) -> bool:
        """Whether it was not tried in vain lately."""
        return self._clock() >= self._known.get(key, (0, 0.0))[1]

    def note(self, key: tuple[str, str]) -> None:
        """It has failed once more."""
        if len(self._known) >= _FAILURES_MAX:
            self._known.clear()
        count = self._known.get(key, (0, 0.0))[0] + 1
        pause = min(_PAUSE_MAX_SECONDS, _PAUSE_SECONDS * 2 ** min(count, 10))
        self._known[key] = count, self._clock() + pause

    def forget(self, key: tuple[str, str]) -> None:
        """It went well."""
        self._known.pop(key, None)


_failures = Failures()


def reconcile_pools() -> None:
    """One round over all nodes; what goes wrong with one is logged and holds up no other."""
    run_sync(_reconcile(wanted_pools(), registry.picture()))


def wanted_pools() -> list[WantedPool]:
    """All pools as the database has them."""
    rows = DedicatedPool.objects.select_related("version__service").order_by("pk")
    return [
        WantedPool(PublishedVersion.of(row.version), row.initial_size, row.max_size) for row in rows
    ]


async def _reconcile(wanted: Sequence[WantedPool], picture: Picture) -> None:
    free = asyncio.Semaphore(_NODES_AT_ONCE)

    async def reconcile(address: str) -> None:
        is_drained = address in picture.drained
        here = [
            pool
            for pool in wanted
            if is_drained
            or address in picture.by_runtime.get(pool.published.runtime, picture.addresses)
        ]
        async with free:
            try:
                await _reconcile_node(ComputeNode(address), here, may_build=not is_drained)
            except MlopsError as error:
                logger.warning("The dedicated pools of %s: %s", address, error.message)

    await asyncio.gather(*map(reconcile, (*picture.addresses, *picture.drained)))


async def _reconcile_node(
    node: ComputeNode, wanted: Sequence[WantedPool], *, may_build: bool
) -> None:
    """End the pools that are not wanted, and build those that are; none on a drained node, which
    keeps what it has in case it is resumed."""
    asked_at = asyncio.get_running_loop().time()
    pools, receiving = await node.pools(seconds=ASK_SECONDS)
    held = {pool.bundle_id: pool for pool in pools}
    wanted_ids = {pool.published.bundle_id for pool in wanted}
    for surplus in pools:
        if surplus.bundle_id not in wanted_ids and not _is_still_needed(surplus, held, wanted):
            await node.delete_pool(surplus.bundle_id)
    if not may_build or receiving & wanted_ids:
        return  # another round, or a call, is sending it a bundle: twice would not be faster
    for pool in wanted:
        found = held.get(pool.published.bundle_id)
        if found is None or not pool.is_what(found):
            await _build(node, pool.published, asked_at)


def _is_still_needed(
    surplus: NodePool, held: dict[str, NodePool], wanted: Sequence[WantedPool]
) -> bool:
    """Whether the pool's version was patched, and its new pool is still being built."""
    for pool in wanted:
        if pool.published.pk == surplus.owner:
            successor = held.get(pool.published.bundle_id)
            return successor is None or not (successor.is_ready or successor.reason)
    return False


async def _build(node: ComputeNode, published: PublishedVersion, asked_at: float) -> None:
    key = (node.address, published.bundle_id)
    if not _failures.may_try(key):
        return
    try:
        await pushes.of_this_loop().build_pool(node, published, asked_at=asked_at)
    except (pushes.Superseded, NotFound):
        return  # changed since this round began; the next one sees it
    except MlopsError as error:
        _failures.note(key)
        logger.warning("The pool of %s on %s: %s", published, node.address, error.message)
    else:
        _failures.forget(key)
