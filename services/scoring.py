"""Scoring: one call of a published version on some compute node.

The lane, the REST view, the commands and the batch tasks all call `score`.
"""

import asyncio
import logging

from mlops.errors import NodeFailure, NodeTimeout
from nodes import registry
from nodes.compute_node import BundleUnknown, ComputeNode, PoolMissing
from services import pushes
from services.catalogue import PublishedVersion

logger = logging.getLogger(__name__)


async def score(published: PublishedVersion, body: bytes, *, correlation_id: str) -> bytes:
    """The result object as the node wrote it (wire-api section 3) for the caller's body, untouched.

    User code that fails is a result as well. Raises InvalidRequest, TooLarge, Busy, NodeFailure or
    NodeTimeout; NotFound when the version was deleted meanwhile. A message of a node's failure ends
    with the correlation id, under which the logs of both nodes have it.
    """
    try:
        may_build_pool = False  # rather go to a node that has it
        while True:
            try:
                return await _dispatch(published, body, correlation_id, may_build_pool)
            except PoolMissing:
                if may_build_pool:
                    raise
                may_build_pool = True
            except pushes.Superseded as news:
                published, may_build_pool = news.current, False
    except (NodeFailure, NodeTimeout) as error:
        service = f"{published.name}/{published.version}"
        logger.warning("Scoring %s as %s: %s", service, correlation_id, error.message)
        raise type(error)(f"{error.message} (id {correlation_id})") from error


async def _dispatch(
    published: PublishedVersion, body: bytes, correlation_id: str, may_build_pool: bool
) -> bytes:
    async def call(node: ComputeNode) -> bytes:
        asked_at = asyncio.get_running_loop().time()
        try:
            return await node.score(published.bundle_id, body, correlation_id=correlation_id)
        except BundleUnknown:
            await pushes.of_this_loop().push(node, published, asked_at=asked_at)
        except PoolMissing:
            if not may_build_pool:
                raise
            await pushes.of_this_loop().build_pool(node, published, asked_at=asked_at)
        return await node.score(published.bundle_id, body, correlation_id=correlation_id)

    return await registry.dispatch(call, runtime=published.runtime, bundle_id=published.bundle_id)
