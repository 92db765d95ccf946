"""The whole cluster: its hosts, what runs on them, and what an administrator does there."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.cluster import support
from tests.cluster.apart import PLACE, run
from tests.cluster.calls import Call, read
from tests.cluster.load import Callers
from tests.cluster.network import Host, make_switch
from tests.cluster.programs import ROOT, Program, environment, wait_until
from tests.cluster.services import LENGTHY, SERVICES, VERSION, Service
from tests.nodes.runtime.realtime.models import adding, contained

COMPUTE_PORT = 12805
N_DECLARED = 4  # compute nodes, in one range; one more is there to be added
_FIRST_COMPUTE = 21
_N_AT_ONCE = 64  # calls, of which every node gets some
_DATA_MB = 256  # of each node's disk
_COMPUTE = {
    "MLOPS_RSCRIPT": "no-r-here",  # nothing in R is called
    "MLOPS_POOL_INITIAL_SIZE": "2",
    # One thread for each process: many share few cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class Cluster:
    """Two web nodes, five compute nodes, a load balancer, a database with a broker, a worker."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._password = f"Aa1-{secrets.token_urlsafe(16)}"
        self._further: list[Call] = []
        make_switch()
        (lb, database, worker, *web), compute = _hosts()
        self.database, database_url = support.database(database, _place("database"))
        self.broker, broker_url = support.broker(database, _place("broker"))
        self.balancer = support.balancer(lb, _place("balancer"), web)
        shared = _place("shared")
        self._settings = {
            "MLOPS_CLUSTER_KEY": secrets.token_hex(32),
            "MLOPS_SECRET_KEY": secrets.token_hex(32),
            "MLOPS_TOKEN_SIGNING_KEY_FILE": str(shared / "token_signing_key.pem"),
            "MLOPS_DATABASE_URL": database_url,
            "MLOPS_DATABASE_CONNECTIONS": "20",
            "MLOPS_BROKER_URL": broker_url,
        }
        key = {"MLOPS_CLUSTER_KEY": self._settings["MLOPS_CLUSTER_KEY"]}
        self.web = [self._node(host, "webnode", support.WEB_PORT, self._settings) for host in web]
        self.compute = [
            self._node(host, "computenode", COMPUTE_PORT, {**key, **_COMPUTE}) for host in compute
        ]
        self.worker = self._worker(worker)
        self.client = httpx.Client(base_url=f"http://{lb.address}:{support.WEB_PORT}", timeout=60)

    def start(self) -> None:
        """Everything but the last compute node, with the services that are called."""
        for program in (self.database, self.broker):
            program.start()
            program.wait()
        for programs in (self.web, self.compute[:N_DECLARED], [self.balancer]):
            for program in programs:
                program.start()
            for program in programs:
                program.wait()
        self.manage("set_password", "--stdin", text=f"{self._password}\n")
        last = _FIRST_COMPUTE + N_DECLARED - 1
        self.manage("nodes", "add", f"{address_of(self.compute[0])[: -len(':12805')]}-{last}:12805")
        self.worker.start()
        for program in self.web:
            wait_until(self._pings(program), 30, f"{program.host.name} behind the load balancer")
        self._sign_in()
        for service in SERVICES:
            self.publish(service)

    def manage(self, *arguments: str, text: str = "") -> str:
        """What a management command prints that is run on the first web node's host."""
        done = subprocess.run(
            self.web[0].host.command(sys.executable, "manage.py", *arguments),
            cwd=ROOT,
            env=environment(self.web[0].settings),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def publish(self, service: Service) -> None:
        """Over the REST API."""
        if service.code:
            address = f"/services/{service.name}/{VERSION}"
            self.client.post(address, json=service.definition).raise_for_status()
        else:
            address = f"/realtime-services/{service.name}/{VERSION}"
            self.client.post(
                address, files={"model": ("model", contained(adding()))}
            ).raise_for_status()

    def wait_for_nodes(self) -> None:
        """Returns when every web node has every declared compute node answer, with no failure."""
        wanted = {
            (web.host.name, node.host.name)
            for web in self.web
            for node in self.compute[:N_DECLARED]
        }

        def all_answer() -> bool:
            calls = self._call(LENGTHY, _N_AT_ONCE)
            seen = {(call.web, call.node) for call in calls}
            return wanted <= seen and not any(call.problem for call in calls)

        wait_until(all_answer, 90, "every compute node answers each web node")

    def call(self, service: Service, n_calls: int) -> None:
        """So many calls at once, counted with those of the load."""
        self._further += self._call(service, n_calls)

    def _call(self, service: Service, n_calls: int) -> list[Call]:
        callers = Callers(self.balancer.host.address, support.WEB_PORT, self._token())

        async def call_all() -> None:
            await asyncio.gather(*(callers.call(service, number) for number in range(n_calls)))

        asyncio.run(call_all())
        return callers.calls

    @contextlib.contextmanager
    def load(self) -> Iterator[list[Call]]:
        """Callers at work; the list is filled with all their calls after the context."""
        calls: list[Call] = []
        self._sign_in()
        with tempfile.NamedTemporaryFile(dir=PLACE) as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.load"], cwd=ROOT, stdin=subprocess.PIPE
            )
            told: dict[str, Any] = {
                "host": self.balancer.host.address,
                "port": support.WEB_PORT,
                "token": self._token(),
                "rate": self._rate,
                "file": file.name,
            }
            assert process.stdin
            process.stdin.write(f"{json.dumps(told)}\n".encode())
            process.stdin.flush()
            try:
                yield calls
                process.communicate(timeout=180)
            finally:
                process.kill()
                process.wait()
            calls += [*read(Path(file.name)), *self._further]
            self._further = []

    def _token(self) -> str:
        return self.client.headers["Authorization"].removeprefix("Bearer ")

    def _sign_in(self) -> None:
        credentials = {"username": "admin", "password": self._password}
        answer = self.client.post("/login", json=credentials).raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _pings(self, program: Program) -> Callable[[], bool]:
        def pings() -> bool:
            answer = self.client.get("/ping")
            return bool(answer.headers.get("x-web-node") == program.host.name)

        return pings

    def _node(self, host: Host, command: str, port: int, settings: dict[str, str]) -> Program:
        place = disk_of(host)
        run("mount", "-t", "tmpfs", "-o", f"size={_DATA_MB}m,mode=700", "tmpfs", str(place))
        return Program(
            host,
            [sys.executable, "manage.py", command],
            PLACE / f"{host.name}.log",
            {**settings, "MLOPS_DATA_DIR": str(place), "MLOPS_HOST": host.address},
            is_up=support.listens(host, port),
        )

    def _worker(self, host: Host) -> Program:
        options = "--hostname celery@%h --queues celery --concurrency 2 --beat"
        command = f"-m celery --app mlops worker {options}"
        settings = {**self._settings, "MLOPS_DATA_DIR": str(_place(host.name))}
        return Program(host, [sys.executable, *command.split()], PLACE / "worker.log", settings)


def address_of(node: Program) -> str:
    """The URL of a compute node."""
    return f"http://{node.host.address}:{COMPUTE_PORT}"


def disk_of(host: Host) -> Path:
    """Where a node has its data: a file system of its own."""
    place = PLACE / "disks" / host.name
    place.mkdir(parents=True, exist_ok=True)
    return place


def _hosts() -> tuple[list[Host], list[Host]]:
    others = [Host("balancer", 2), Host("database", 3), Host("worker", 4)]
    others += [Host("web1", 11), Host("web2", 12)]
    compute = [Host(f"compute{i + 1}", _FIRST_COMPUTE + i) for i in range(N_DECLARED + 1)]
    for host in (*others, *compute):
        host.make()
    return others, compute


def _place(name: str) -> Path:
    place = PLACE / name
    place.mkdir(mode=0o700)
    return place
