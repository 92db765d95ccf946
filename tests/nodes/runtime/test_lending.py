"""Shells that do not start, and the calls that wait for them."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from nodes.runtime.config import NodeConfig
from nodes.runtime.errors import RuntimeUnavailable
from nodes.runtime.pool import Pool
from nodes.runtime.shell import Shell
from nodes.runtime.starting import Starter

pytestmark = pytest.mark.any_database


class BlankShell:
    """A shell that does nothing."""

    alive = True
    has_died = False
    bundle_id = None
    idle_since = 0.0

    def kill(self, reason: str = "") -> None:
        self.alive = False

    async def gone(self) -> None:
        pass


class FaultyStarter:
    """Fails once with `fault`, then starts shells."""

    runtime = "Python"

    def __init__(self, fault: Exception) -> None:
        self._faults = [fault]

    def missing(self) -> str:
        return ""

    async def start(self) -> Any:
        if self._faults:
            raise self._faults.pop()
        return BlankShell()


async def acquired(pool: Pool) -> Shell:
    """A shell, once the pool has got over its failure."""
    while True:
        try:
            return await pool.acquire(None)
        except RuntimeUnavailable:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [OSError("no memory"), TypeError("a fault of ours")])
def test_a_pool_tries_again_whatever_went_wrong(fault: Exception) -> None:
    async def main() -> None:
        config = NodeConfig(
            cluster_key="", data_dir=Path(), python="python3", rscript="", pool_initial_size=1
        )
        pool = Pool(cast(Starter, FaultyStarter(fault)), config)
        pool.start()
        try:
            while pool.figures.n_failed_starts == 0:
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                shell = await acquired(pool)
            assert isinstance(cast(Any, shell), BlankShell)
            pool.discard(cast(Shell, shell))
        finally:
            await pool.stop()

    asyncio.run(main())
