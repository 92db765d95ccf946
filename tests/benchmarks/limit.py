"""The limit of two hops in Python: a router that checks a token, and an echo behind it."""

import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jwt

from tests.benchmarks.load import ECHO
from tests.benchmarks.servers import Server, answers
from tests.benchmarks.target import Kind, Running, Target
from tests.benchmarks.workload import Workload
from tests.ports import free_port

PROGRAMS = Path(__file__).parent / "programs"
TWO_HOPS = Target(
    name="two-hop-echo", kind=Kind.LIMIT, server="two-hop-echo", model=ECHO, path="/", pattern=".+"
)


class TwoHops:
    """Two processes below one shell, so that they count as one server."""

    name = TWO_HOPS.server
    targets = (TWO_HOPS,)

    def start(self, directory: Path, workload: Workload, chosen: Sequence[Target]) -> Running:
        """Both, answering."""
        secret = secrets.token_hex(32)
        ports = {"echo:app": free_port(), "router:app": free_port()}
        uvicorn = f"{sys.executable} -m uvicorn --no-access-log --log-level warning"
        # The router keeps its connections over the turns of others, and does not expect their end.
        uvicorn += " --loop uvloop --http httptools --timeout-keep-alive 86400"
        started = [f"{uvicorn} --port {port} {program} &" for program, port in ports.items()]
        server = Server(
            name=self.name,
            command=["sh", "-c", f"trap 'kill 0' TERM; {' '.join(started)} wait"],
            directory=PROGRAMS,
            log=directory / "log",
            environment={"BENCH_SECRET": secret, "BENCH_NEXT_HOP": str(ports["echo:app"])},
        )
        server.start()
        with server.stopped_on_failure():
            for port in ports.values():
                server.wait_until(partial(answers, f"http://127.0.0.1:{port}"))
        claims = {"sub": "somebody", "exp": int(time.time()) + 24 * 3600}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}
        return Running(
            server=server, url=f"http://127.0.0.1:{ports['router:app']}", headers=headers
        )
