"""What a node reports of itself; cheap enough to be asked every second."""

import asyncio
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from .api_version import API_VERSION
from .processes import proportional_bytes

if TYPE_CHECKING:
    from .node import ComputeNode

_MOST_REPORTED = 100  # pools, and bundles loaded
_MEMORY_EVERY_SECONDS = 10.0  # to add up what shells have takes a while


class Memory:
    """The memory of the node and of its shells, in bytes; both counted at most now and then."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._counted_at = float("-inf")
        self._counting: asyncio.Task[None] | None = None
        self._shell_bytes = 0

    def report(self) -> dict[str, int]:
        """What was counted last; begins to count anew when that was a while ago."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._counted_at > _MEMORY_EVERY_SECONDS:
            self._counted_at = loop.time()
            self._counting = loop.create_task(self._count(list(self._pids())))
        return {"nodeBytes": _own_bytes(), "shellBytes": self._shell_bytes}

    async def _count(self, pids: list[int]) -> None:
        self._shell_bytes = await asyncio.to_thread(lambda: sum(map(proportional_bytes, pids)))


def _own_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def health(node: "ComputeNode") -> dict[str, Any]:
    """The health report of the compute node API."""
    n_sessions = len(node.sessions.ids())
    pools = [*node.pools.values(), *node.dedicated.all()]
    merger, realtime = node.scorer.merger, node.realtime
    n_lent = sum(pool.shells_by_state()["busy"] for pool in pools)
    n_queued = sum(pool.n_waiting + merger.n_waiting(pool) for pool in pools)
    loaded = node.bundles_in_use()
    tls = node.config.tls
    certificate = tls.certificate if tls else None
    return {
        "version": node.config.version,
        "apiVersion": API_VERSION,
        "isStopping": node.is_stopping,
        "runtimes": {name: pool.health() for name, pool in node.pools.items()},
        "pools": list(islice(node.dedicated.reports(), _MOST_REPORTED)),
        "sessions": n_sessions,
        "sessionIds": node.sessions.ids()[:_MOST_REPORTED],
        "busySessions": node.sessions.busy_ids()[:_MOST_REPORTED],
        "isolation": node.isolation.report(),
        "load": {
            "running": max(0, n_lent - n_sessions) + realtime.threads_by_state()["busy"],
            "queued": n_queued + realtime.n_waiting,
        },
        "capacity": len(os.sched_getaffinity(0)),  # processors
        "memory": node.memory.report(),
        "loaded": sorted(loaded)[:_MOST_REPORTED],
        "nLoaded": len(loaded),
        "logPath": node.config.log_path,
        "clock": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        **({"certificate": certificate.body()} if certificate else {}),
    }
