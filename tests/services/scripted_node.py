"""A compute node for tests of its callers: it keeps bundles and answers what a test scripts."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async

from nodes.models import NodeEntry
from nodes.registry import registry
from tests.nodes.loopback import Peer, serving

Score = Callable[["ScriptedNode", bytes], Awaitable[bytes]]


def refusal(status: str, code: str, message: str, **more: str) -> bytes:
    """An answer that is no result, as raw HTTP."""
    body = json.dumps({"code": code, "message": message, **more}).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


async def echo(node: "ScriptedNode", body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@dataclass
class ScriptedNode:
    """What the node saw. `score` gives the raw answer to a call of a bundle that the node has."""

    score: Score = echo
    url: str = ""
    bundles: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)  # manifest, payload
    pools: dict[str, dict[str, int]] = field(default_factory=dict)
    n_pushes: int = 0
    n_scores: int = 0
    scored: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, peer: Peer) -> None:
        try:
            while True:
                head, body = await peer.read_request()
                self.heads.append(head)
                method, path, _ = head.split(b" ", 2)
                bundle_id = path.decode().split("/")[3]
                if path.endswith(b"/pool"):
                    await peer.send(self._put_pool(bundle_id, body))
                elif method == b"PUT":
                    await peer.send(await self._put(bundle_id, body))
                else:
                    await self._score(peer, bundle_id, body)
        finally:
            self.closed.set()

    async def _put(self, bundle_id: str, body: bytes) -> bytes:
        self.n_pushes += 1
        size = int.from_bytes(body[:4], "big")
        manifest, payload = body[4 : 4 + size], body[4 + size :]
        if hashlib.sha256(manifest).hexdigest() != bundle_id:
            return refusal("400 Bad Request", "bundle-invalid", "The id is not the manifest's.")
        self.bundles[bundle_id] = manifest, payload
        return b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"

    def _put_pool(self, bundle_id: str, body: bytes) -> bytes:
        if bundle_id not in self.bundles:
            return refusal("404 Not Found", "bundle-unknown", "Push the bundle first.")
        self.pools[bundle_id] = json.loads(body)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def _score(self, peer: Peer, bundle_id: str, body: bytes) -> None:
        self.n_scores += 1
        if bundle_id not in self.bundles:
            await peer.send(refusal("404 Not Found", "bundle-unknown", "Push the bundle first."))
            return
        has_pool = "pool" in json.loads(self.bundles[bundle_id][0])
        if has_pool and bundle_id not in self.pools:
            await peer.send(refusal("503 Unavailable", "pool-missing", "PUT the pool first."))
            return
        self.scored.append(bundle_id)
        closed = asyncio.ensure_future(peer.reader.read(1))
        answer = asyncio.ensure_future(self.score(self, body))
        await asyncio.wait([closed, answer], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            raise ConnectionError("The caller has gone.")
        closed.cancel()
        await asyncio.wait([closed])
        await peer.send(answer.result())


@asynccontextmanager
async def declared(*nodes: ScriptedNode) -> AsyncIterator[None]:
    """Run the nodes in the running event loop, the only ones declared from then on."""
    await sync_to_async(NodeEntry.objects.all().delete)()
    async with AsyncExitStack() as running:
        for node in nodes:
            node.url = (await running.enter_async_context(serving(node.handle))).url
            await sync_to_async(NodeEntry.objects.create)(uri=node.url)
        registry.forget()
        yield
    registry.forget()
