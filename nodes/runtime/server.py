"""The compute node API over HTTP: Starlette routes on uvicorn (architecture: port 12805)."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from .answers import answer_internal_error, answer_unknown_route
from .api import routes
from .authorization import ClusterKeyRequired
from .config import NodeConfig
from .garbage import collect_seldom
from .multiplex_server import http_protocol
from .node import ComputeNode
from .score_lane import ScoreLane
from .stopping import RefusingWhenStopping, StoppingServer
from .tls import tls_options

logger = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 300


def application(node: ComputeNode) -> ClusterKeyRequired:
    """The ASGI application of one node, starting and stopping it with its lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await node.start()
        try:
            yield
        finally:
            await node.stop()

    app = Starlette(
        routes=routes(node),
        lifespan=lifespan,
        exception_handlers={
            HTTPException: answer_unknown_route,
            Exception: answer_internal_error,
        },
    )
    lane = RefusingWhenStopping(ScoreLane(app, node), node)
    return ClusterKeyRequired(lane, node.config.cluster_keys, node.config.metrics_token)


async def _serve(config: NodeConfig) -> None:
    node = ComputeNode(config)
    await node.claim()
    server = StoppingServer(
        node,
        uvicorn.Config(
            application(node),
            host=config.host,
            port=config.port,
            http=http_protocol(node),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            **tls_options(config.tls),
        ),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop_soon)
    await server.serve()


def serve(config: NodeConfig) -> None:
    """Runs a compute node until SIGTERM or SIGINT and what it has begun is finished; at the second
    signal, or when that takes too long, what runs is broken off.

    `RuntimeUnavailable` when another node has the data directory; the process ends with the
    reason in the log when the port is taken.
    """
    collect_seldom()
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(config))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
