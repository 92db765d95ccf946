"""The dedicated pools of a node: which bundles have one, remembered over restarts."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .bundles import Bundle, BundleStore
from .config import NodeConfig
from .dedicated import DedicatedPool, PoolSize
from .errors import BundleUnknown, InvalidRequest
from .starting import Starter

logger = logging.getLogger(__name__)

# What no machine needs. What is wise is for web nodes to see to, each of which has a setting.
_MAX_SHELLS = 1000

_NOT_FOUND = {
    "initialSize": 0,
    "maxSize": 0,
    "status": "NotFound",
    "reason": "",
    "currentPoolSize": 0,
    "activeShellCount": 0,
}


class DedicatedPools:
    """All dedicated pools by bundle id, each with a file that says its size."""

    def __init__(
        self, starters: Mapping[str, Starter], bundles: BundleStore, config: NodeConfig
    ) -> None:
        self._starters = starters
        self._bundles = bundles
        self._config = config
        self._root = config.pools_dir
        self._starts = asyncio.Semaphore(len(os.sched_getaffinity(0)))
        self._pools: dict[str, DedicatedPool] = {}
        self._leaving: set[DedicatedPool] = set()  # retired, while something of them is left
        self._changing = asyncio.Lock()

    def open(self) -> None:
        """Starts the pools that earlier runs of the node had."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self._root.glob("*.draft"):
            draft.unlink()
        for path in sorted(self._root.glob("*.json")):
            try:
                size = read_size(json.loads(path.read_bytes()))
                bundle = self._bundles.get(path.stem)
                self._start(bundle, size)
            except (OSError, ValueError, InvalidRequest, BundleUnknown) as error:
                logger.warning("Pool definition %s is dropped: %r", path.name, error)
                path.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Kills all their shells; the definitions stay."""
        await asyncio.gather(*(pool.stop() for pool in self.all()))

    async def put(self, bundle_id: str, size: PoolSize) -> None:
        """Gives a bundle that the node holds a pool, or its pool another size."""
        async with self._changing:
            bundle = self._bundles.get(bundle_id)
            if pool := self._pools.get(bundle_id):
                pool.resize(size)
            else:
                self._start(bundle, size)
            # Last, because from the start on the bundle is in use, so that it cannot be trimmed.
            await asyncio.to_thread(_write, self._path(bundle_id), size)

    async def delete(self, bundle_id: str) -> None:
        """Ends the bundle's pool, if it has one."""
        async with self._changing:
            if pool := self._pools.pop(bundle_id, None):
                await asyncio.to_thread(self._path(bundle_id).unlink, missing_ok=True)
                pool.retire()
                self._leaving.add(pool)

    def get(self, bundle_id: str) -> DedicatedPool | None:
        """The bundle's pool."""
        return self._pools.get(bundle_id)

    def report(self, bundle_id: str) -> dict[str, Any]:
        """What there is to say of a bundle's pool, also when there is none."""
        if pool := self._pools.get(bundle_id):
            return pool.report()
        return {"bundle": bundle_id, "pool": None, **_NOT_FOUND}

    def reports(self) -> Iterator[dict[str, Any]]:
        """The reports of all pools."""
        return (pool.report() for pool in self._pools.values())

    def all(self) -> list[DedicatedPool]:
        """Every pool that has shells, those that end included."""
        self._leaving = {pool for pool in self._leaving if not pool.is_gone}
        return [*self._pools.values(), *self._leaving]

    def bundles_in_use(self) -> set[str]:
        """The bundles that have a pool."""
        return {pool.bundle.id for pool in self.all()}

    def _start(self, bundle: Bundle, size: PoolSize) -> None:
        starter = self._starters.get(bundle.manifest.runtime)
        if starter is None:
            raise InvalidRequest(f"{bundle.manifest.runtime} runs without shells: it has no pools.")
        pool = DedicatedPool(starter, bundle, size, self._config, self._starts)
        self._pools[bundle.id] = pool
        pool.start()

    def _path(self, bundle_id: str) -> Path:
        return self._root / f"{bundle_id}.json"


def read_size(data: Any) -> PoolSize:
    """The size in a definition; `InvalidRequest` when it is none."""
    if isinstance(data, dict):
        initial, most = data.get("initialSize"), data.get("maxSize")
        if type(initial) is int and type(most) is int and 0 <= initial <= most and most > 0:
            if most > _MAX_SHELLS:
                raise InvalidRequest(f"A pool has at most {_MAX_SHELLS} shells.")
            return PoolSize(initial, most)
    raise InvalidRequest("A pool has an initialSize, and a maxSize that is no less and above 0.")


def _write(path: Path, size: PoolSize) -> None:
    """Replaces the file as a whole, so that no crash leaves half of it."""
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump({"initialSize": size.initial, "maxSize": size.max}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
