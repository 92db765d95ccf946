"""Scoring: one call of a published version on some compute node.

The lane, the REST view, the commands and the batch tasks all call `score`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext

from mlops.errors import MlopsError, NodeFailure, NodeTimeout
from nodes import registry
from nodes.compute_node import PLAIN, Answer, BundleUnknown, ComputeNode, PoolMissing
from nodes.runtime.results import is_of_success
from nodes.stopwatch import Stopwatch, routing_note
from services import metrics, pushes
from services.catalogue import PublishedVersion

logger = logging.getLogger(__name__)

# Whose call it is, for the metrics.
CALL, BATCH = "call", "batch"

_OK, _FAULT = 200, 500
_JSON = b"application/json"
_PUSHED = "The node did not have what it needs to run the version; later calls find it there."
_BUILT = "The node did not have the version's dedicated pool."


async def score(
    published: PublishedVersion, body: bytes, *, correlation_id: str, source: str = CALL
) -> bytes:
    """The result object as the node wrote it (wire-api section 3) for the caller's JSON; see
    `answer`."""
    return (await answer(published, body, correlation_id=correlation_id, source=source)).body


async def answer(
    published: PublishedVersion,
    body: bytes,
    *,
    correlation_id: str,
    source: str = CALL,
    formats: Mapping[str, str] = PLAIN,
    watch: Stopwatch | None = None,
) -> Answer:
    """What the node answered to the caller's body, both untouched: the result object, or a data
    frame where `formats` asks for it (see `ComputeNode.score`).

    User code that fails is a result as well. Raises InvalidRequest, TooLarge, Busy, NodeFailure or
    NodeTimeout; NotFound when the version was deleted meanwhile. A message of a node's failure ends
    with the correlation id, under which the logs of both nodes have it. The call is counted, for
    `source`. A `watch` notes where the time goes.
    """
    asked: list[str] = []
    status, is_success, began = _FAULT, False, time.perf_counter()
    try:
        result = await _score(published, body, correlation_id, formats, asked, watch)
        status = _OK
        is_success = is_of_success(result.body) or result.content_type != _JSON
        return result
    except MlopsError as error:
        status = error.status
        raise
    except asyncio.CancelledError:
        status = metrics.CALLER_GONE
        raise
    finally:
        metrics.note_call(
            published,
            source=source,
            node=asked[-1] if asked else "",
            status=status,
            is_success=is_success,
            seconds=time.perf_counter() - began,
        )


async def _score(
    published: PublishedVersion,
    body: bytes,
    correlation_id: str,
    formats: Mapping[str, str],
    asked: list[str],
    watch: Stopwatch | None,
) -> Answer:
    """The answer; the addresses of the nodes that were asked are appended to `asked`."""
    try:
        may_build_pool = False  # rather go to a node that has it
        while True:
            try:
                return await _dispatch(
                    published, body, correlation_id, formats, may_build_pool, asked, watch
                )
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
    published: PublishedVersion,
    body: bytes,
    correlation_id: str,
    formats: Mapping[str, str],
    may_build_pool: bool,
    asked: list[str],
    watch: Stopwatch | None,
) -> Answer:
    async def score_on(node: ComputeNode) -> Answer:
        return await node.score(
            published.bundle_id, body, correlation_id=correlation_id, formats=formats, watch=watch
        )

    async def call(node: ComputeNode) -> Answer:
        asked.append(node.address)
        asked_at = asyncio.get_running_loop().time()
        try:
            return await score_on(node)
        except BundleUnknown:
            with watch.span("Bundle to the node", _PUSHED) if watch else nullcontext():
                await pushes.of_this_loop().push(node, published, asked_at=asked_at)
        except PoolMissing:
            if not may_build_pool:
                raise
            with watch.span("Pool on the node", _BUILT) if watch else nullcontext():
                await pushes.of_this_loop().build_pool(node, published, asked_at=asked_at)
        return await score_on(node)

    placed = call if watch is None else await _watched(call, published, watch)
    return await registry.dispatch(placed, runtime=published.runtime, bundle_id=published.bundle_id)


async def _watched(
    call: Callable[[ComputeNode], Awaitable[Answer]], published: PublishedVersion, watch: Stopwatch
) -> Callable[[ComputeNode], Awaitable[Answer]]:
    """The same call, of which `watch` notes how it is placed."""
    began = watch.now()
    nodes = registry.registry
    considered = nodes.considered(
        await nodes.picture_async(), published.runtime, published.bundle_id
    )

    async def placed(node: ComputeNode) -> Answer:
        nonlocal began
        note = routing_note(considered, node.address)
        watch.note("Routing", began, watch.now() - began, note)
        try:
            return await call(node)
        finally:
            began = watch.now()  # of a second attempt

    return placed
