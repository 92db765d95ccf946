"""A node's end: it refuses what comes, finishes what it has begun, and then stops."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import refusal, stopping

if TYPE_CHECKING:
    import socket

    from .node import ComputeNode

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
# With nothing under way it still answers for a moment: web nodes that have not heard of its end are
# told, which is better for a call than a connection that breaks.
_QUIET_SECONDS = 0.5
_PARTING_SECONDS = 2.0  # for web nodes to close their connections
_LAST_WORDS_SECONDS = 2.0  # for answering what is broken off


class RefusingWhenStopping:
    """Hands everything to `app`, until the node is told to stop: then what would begin something is
    answered 503 "stopping". To look at the node, and to end what runs on it, stays possible."""

    def __init__(self, app: ASGIApp, node: "ComputeNode") -> None:
        self._app = app
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        if self._node.is_stopping and scope["type"] == "http" and _begins_something(scope):
            await refusal(stopping(), Request(scope))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _begins_something(scope: Scope) -> bool:
    return scope["method"] in ("POST", "PUT") and not scope["path"].endswith("/cancel")


class StoppingServer(uvicorn.Server):
    """Keeps listening while it stops, so that callers get an answer that says so."""

    def __init__(self, node: "ComputeNode", config: uvicorn.Config) -> None:
        super().__init__(config)
        self._node = node

    def stop_soon(self) -> None:
        """Begin to stop; the second time, break off what still runs."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures nothing: uvicorn itself would raise signals again after its shutdown."""
        yield

    async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:  # noqa: ARG002
        """Finish what is under way within `stop_seconds`, break off the rest, and end the node."""
        self._node.is_stopping = True
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until_done()
        for server in self.servers:
            server.close()
        if tasks := list(self.server_state.tasks):
            logger.warning("The node stops and breaks off %d calls.", len(tasks))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)
        await self.lifespan.shutdown()

    async def _until_done(self) -> None:
        time = asyncio.get_running_loop().time
        idle_since = time()
        ends_at = idle_since + self._node.config.stop_seconds
        while time() < ends_at and not self.force_exit:
            if self.server_state.tasks:
                idle_since = time()
            needed = _PARTING_SECONDS if self.server_state.connections else _QUIET_SECONDS
            if time() - idle_since >= needed:
                return
            await asyncio.sleep(_LOOK_SECONDS)
