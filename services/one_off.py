"""Runs of what is not published: a bundle pushed, scored once, and left to the node's eviction."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any

from mlops.accounts import action_log
from mlops.errors import InvalidRequest, NodeTimeout
from nodes import registry
from nodes.background import result, start
from nodes.compute_node import BundleUnknown, ComputeNode
from nodes.stopwatch import Stopwatch
from services import bundles
from services.models import Version
from services.payloads import Payload

_LOOK_EVERY_SECONDS = 0.5


def never() -> bool:
    """Of what nobody can cancel."""
    return False


@dataclass(frozen=True, slots=True)
class OneOff:
    """What came of a run: the result object as the node wrote it, where, and how long it took.

    `send_ms` is how long it took to bring the bundle there, 0.0 when the node had it; `call_ms` the
    call, of which `stages` are parts (nodes/stopwatch.py), in milliseconds as well.
    """

    result: bytes
    node: str
    send_ms: float
    call_ms: float
    stages: Mapping[str, float]

    def parsed(self) -> dict[str, Any]:
        """The result object; raises InvalidRequest for what code has made of it that can reach the
        interpreter's own."""
        try:
            found = json.loads(self.result)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InvalidRequest(
                "What came of the run is no JSON: the code has changed how its interpreter writes "
                "it.",
                fields="code",
            )
        return found


def run_once(
    version: Version,
    payload: Payload | None,
    body: bytes,
    *,
    operation: str,
    correlation_id: str,
    seconds: float,
    cancelled: Callable[[], bool] = never,
) -> OneOff:
    """The outcome of one call of a version that need not be in the database.

    The log of actions names it as an `operation` of who would have published the version.

    It runs as a published one does; a call that no node has run is tried on another node. Raises
    InvalidRequest for inputs that do not fit, NodeTimeout after `seconds`, and Busy, NodeFailure or
    TooLarge as scoring does. Once `cancelled` it is broken off and raises Stopping. Of the payload
    a piece at a time is in memory.
    """
    version.payload = payload.unsaved() if payload else None
    manifest = bundles.manifest(version)
    action_log.note_work(operation, version.published_by)
    call = start(
        _run(manifest, payload, body, version.runtime_type, correlation_id, seconds=seconds)
    )
    while not call.done():
        wait([call], timeout=_LOOK_EVERY_SECONDS)
        if cancelled():
            call.cancel()
            break
    return result(call)


async def _run(
    manifest: bytes,
    payload: Payload | None,
    body: bytes,
    runtime: str,
    correlation_id: str,
    *,
    seconds: float,
) -> OneOff:
    bundle_id = bundles.bundle_id(manifest)
    send_ms = 0.0

    async def call(node: ComputeNode) -> OneOff:
        nonlocal send_ms
        while True:
            began, watch = time.perf_counter(), Stopwatch()
            try:
                answer = await node.score(
                    bundle_id, body, correlation_id=correlation_id, watch=watch
                )
            except BundleUnknown:
                if send_ms:
                    raise
                began = time.perf_counter()
                await node.put_bundle(bundle_id, manifest, _chunks(payload) if payload else None)
                send_ms = _ms_since(began)
            else:
                stages = {name: seconds * 1000 for name, seconds in watch.stages.items()}
                return OneOff(answer.body, node.address, send_ms, _ms_since(began), stages)

    try:
        async with asyncio.timeout(seconds):
            return await registry.dispatch(call, runtime=runtime, bundle_id=bundle_id)
    except TimeoutError:
        raise NodeTimeout(f"It did not end within {seconds:g} seconds and was stopped.") from None


async def _chunks(payload: Payload) -> AsyncIterator[bytes]:
    pieces = payload.chunks()
    while (chunk := await asyncio.to_thread(next, pieces, None)) is not None:
        yield chunk


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
