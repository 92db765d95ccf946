"""Looking after the compute nodes that this process calls, while it does.

The prober sees each node every few seconds. A process sees its own calls, and in between looks at
nodes of which it hears nothing, and at those that sit out, so that it uses them again at once.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from mlops.errors import MlopsError, NodeStopping, Stopping
from nodes import background
from nodes.compute_node import ComputeNode

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 0.5
_CHECK_SECONDS = 1.0


class Watched(Protocol):
    """What there is to look after (nodes/registry.py)."""

    def look(self) -> "Sequence[str] | None":
        """Addresses to look at now; None when all is quiet."""

    def checked(self, address: str, error: MlopsError | None) -> None:
        """An address was looked at."""


def start_watching(watched: Watched) -> bool:
    """Whether somebody looks after the nodes from now on, until all is quiet."""
    try:
        background.spawn(watch(watched))
    except Stopping:
        return False
    return True


async def watch(watched: Watched) -> None:
    """Look after the nodes until all is quiet."""
    checks: dict[str, asyncio.Task[None]] = {}
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            due = watched.look()
        except Exception:
            logger.exception("Looking after the compute nodes failed")
            continue
        if due is None:
            break
        checks = {address: task for address, task in checks.items() if not task.done()}
        for address in due:
            if address not in checks:
                checks[address] = asyncio.create_task(_check(watched, address))
    for task in checks.values():
        with contextlib.suppress(Exception):
            await task


async def _check(watched: Watched, address: str) -> None:
    error: MlopsError | None = None
    try:
        report = await ComputeNode(address).health(seconds=_CHECK_SECONDS)
        if report.get("isStopping"):
            error = NodeStopping(f"{address} is stopping.")
    except MlopsError as failure:
        error = failure
    if error is not None:
        logger.info("Compute node %s is not called: %s", address, error.message)
    watched.checked(address, error)
