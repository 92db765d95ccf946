"""Bringing bundles, and the pools of those that have one, to compute nodes.

Once per node, however many calls wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections

from mlops.blobs import storage
from mlops.blobs.models import Blob
from mlops.errors import NotFound
from nodes.compute_node import BundleUnknown, ComputeNode
from services import bundles
from services.catalogue import PublishedVersion
from services.models import DedicatedPool, Version

_REMEMBERED_SECONDS = 60  # far longer than a node takes to say that it lacks a bundle


class Superseded(Exception):  # noqa: N818 - not a failure: `current` is to be used instead
    """The version was changed meanwhile and has another bundle."""

    def __init__(self, current: PublishedVersion) -> None:
        self.current = current
        super().__init__(f"{current.name}/{current.version} was changed.")


_Key = tuple[str, str, str]  # what, to which node, of which bundle


class Pushes:
    """The pushes of one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[_Key, asyncio.Task[None]] = {}
        self._ended_at: dict[_Key, float] = {}

    async def push(
        self, node: ComputeNode, published: PublishedVersion, *, asked_at: float
    ) -> None:
        """Give the node the version's bundle, which it said to lack when asked at `asked_at`.

        Calls that were asked before a push ended share it. Raises Superseded, NotFound when the
        version is no longer published, and the errors of the node. No caller's end breaks it off.
        """
        key = ("bundle", node.address, published.bundle_id)
        await self._share(key, lambda: _push(node, published), asked_at)

    async def build_pool(
        self, node: ComputeNode, published: PublishedVersion, *, asked_at: float
    ) -> None:
        """Have the node build the version's pool, or give it its size; as `push` otherwise."""
        key = ("pool", node.address, published.bundle_id)
        await self._share(key, lambda: self._build_pool(node, published), asked_at)

    async def _build_pool(self, node: ComputeNode, published: PublishedVersion) -> None:
        pool = await sync_to_async(_pool)(published)
        asked_at = asyncio.get_running_loop().time()
        for is_pushed in (False, True):
            try:
                await node.put_pool(
                    published.bundle_id, initial_size=pool.initial_size, max_size=pool.max_size
                )
            except BundleUnknown:
                if is_pushed:
                    raise
                await self.push(node, published, asked_at=asked_at)
            else:
                return

    async def _share(
        self, key: _Key, start: Callable[[], Coroutine[Any, Any, None]], asked_at: float
    ) -> None:
        if self._ended_at.get(key, asked_at) > asked_at:
            return
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(start())
            task.add_done_callback(lambda task: self._end(key, task))
        await asyncio.shield(task)

    def _end(self, key: _Key, task: "asyncio.Task[None]") -> None:
        del self._under_way[key]
        if not task.cancelled() and task.exception() is None:
            loop = asyncio.get_running_loop()
            self._ended_at[key] = loop.time()
            loop.call_later(_REMEMBERED_SECONDS, self._ended_at.pop, key, None)


_pushes: WeakKeyDictionary[asyncio.AbstractEventLoop, Pushes] = WeakKeyDictionary()


def of_this_loop() -> Pushes:
    """The pushes of the running event loop, whose clock every `asked_at` is read from."""
    return _pushes.setdefault(asyncio.get_running_loop(), Pushes())


async def _push(node: ComputeNode, published: PublishedVersion) -> None:
    manifest, payload = await sync_to_async(_bundle)(published)
    chunks = None if payload is None else _chunks(payload)
    await node.put_bundle(published.bundle_id, manifest, chunks)


def _bundle(published: PublishedVersion) -> tuple[bytes, Blob | None]:
    """The manifest and the payload behind the version's bundle id."""
    version = _current(published)
    return bundles.manifest(version), version.payload


def _pool(published: PublishedVersion) -> DedicatedPool:
    """The pool behind the version's bundle id, which only a version with a pool can have."""
    return _current(published).pool


def _current(published: PublishedVersion) -> Version:
    """The version as it is; NotFound or Superseded when it is not the published one any more."""
    close_old_connections()
    try:
        version = (
            Version.objects.select_related("service", "payload", "pool")
            .filter(pk=published.pk)
            .first()
        )
    finally:
        close_old_connections()
    if version is None:
        raise NotFound("There is no such version of this service.")
    if version.bundle_id != published.bundle_id:
        raise Superseded(PublishedVersion.of(version))
    return version


async def _chunks(blob: Blob) -> AsyncIterator[bytes]:
    """The blob's bytes, read piece by piece in a thread with a database connection of its own."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="bundle")
    try:
        pieces = await loop.run_in_executor(thread, storage.read, blob)
        while (chunk := await loop.run_in_executor(thread, next, pieces, None)) is not None:
            yield chunk
    finally:
        thread.submit(connections.close_all)
        thread.shutdown(wait=False)
