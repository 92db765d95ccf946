"""How far the dedicated pool of a version is, on each compute node (wire-api section 2)."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlops.errors import MlopsError
from nodes.compute_node import ComputeNode, NodePool, run_sync
from nodes.picture import declared_uris
from nodes.registry import registry
from services.catalogue import PublishedVersion
from services.models import Version
from services.pools.reconciling import ASK_SECONDS, WantedPool

logger = logging.getLogger(__name__)

Status = Literal["Success", "Pending", "NotFound"]


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One entry: the node's address with a slash at its end, and how far the pool is there.

    The reason says why it cannot be built, or that the node was not reached.
    """

    address: str
    status: Status
    reason: str = ""


def pool_status(version: Version) -> list[PoolStatus]:
    """The nodes that run the version's language, each asked now.

    A member of a range that does not answer is left out. A node declared singly stays in: it will
    build the pool when it returns, or has nothing to offer when there is no pool.
    """
    picture = registry.picture()
    addresses = picture.by_runtime.get(version.runtime_type, picture.addresses)
    single = {str(uri) for uri in declared_uris() if not uri.is_range}
    pools = run_sync(_ask_all(addresses))
    return [
        PoolStatus(f"{address.rstrip('/')}/", _status(version, held), _reason(version, held))
        for address, held in zip(addresses, pools, strict=True)
        if held is not None or address in single
    ]


async def _ask_all(addresses: Sequence[str]) -> list[list[NodePool] | None]:
    async def ask(address: str) -> list[NodePool] | None:
        try:
            pools, _ = await ComputeNode(address).pools(seconds=ASK_SECONDS)
        except MlopsError as error:
            logger.info("%s was not asked for its pools: %s", address, error.message)
            return None
        return pools

    return await asyncio.gather(*map(ask, addresses))


def _reason(version: Version, held: Sequence[NodePool] | None) -> str:
    if held is None:
        return "The node does not answer."
    return next((pool.reason for pool in held if pool.bundle_id == version.bundle_id), "")


def _status(version: Version, held: Sequence[NodePool] | None) -> Status:
    if not version.has_pool:
        # One of this version is on its way out: it counts until it is gone.
        return "Pending" if any(pool.owner == version.pk for pool in held or ()) else "NotFound"
    row = version.pool
    wanted = WantedPool(PublishedVersion.of(version), row.initial_size, row.max_size)
    ready = any(
        pool.bundle_id == version.bundle_id and pool.is_ready and wanted.is_what(pool)
        for pool in held or ()
    )
    return "Success" if ready else "Pending"
