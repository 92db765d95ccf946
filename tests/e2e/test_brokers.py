"""Batches with Redis and with RabbitMQ between web node and workers, which come and go."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psycopg2
import pytest

from tests.brokers import PASSWORD, Broker
from tests.e2e.test_batch import n_completed, publish, start, status
from tests.nodes.runtime.running import ROOT, RunningNode, wait_until
from tests.nodes.web import WebNode, set_up_web_node
from tests.ports import free_port

# Who has such a broker has a PostgreSQL; one box, on SQLite, is another test's matter.
pytestmark = pytest.mark.postgresql

N_ITEMS = 4
# An item lasts until there is a file with its number.
WAITING = """
import os, time
while not os.path.exists(os.path.join({folder!r}, str(x))):
    time.sleep(0.02)
y = x
"""
# As in docs/administrator.md.
WORKERS = {
    "periodic": ["--hostname", "celery@%h", "--queues", "celery", "--concurrency", "2", "--beat"],
    "batch": ["--hostname", "batch@%h", "--queues", "batch", "--pool", "threads"],
}


@dataclass
class Cluster:
    """A web node, a compute node and two workers, with a broker between them."""

    broker: Broker
    web: WebNode
    client: httpx.Client
    path: str  # of the batches of a version whose items wait for files in `folder`
    folder: Path
    workers: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start_worker(self, name: str) -> None:
        environment = {
            **os.environ,
            **self.web.environment,
            "MLOPS_DATA_DIR": str(self.web.data_dir),
            "MLOPS_LOG_LEVEL": "DEBUG",  # to see that not even then a password is told
        }
        with self.log(name).open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "--app", "mlops", "worker", *WORKERS[name]],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def kill_worker(self, name: str) -> None:
        self.workers[name].kill()
        self.workers[name].wait()

    def log(self, name: str) -> Path:
        return self.web.data_dir / f"{name}-{self.web.port}.log"

    def start_batch(self) -> str:
        return start(self.client, self.path, N_ITEMS, parallel_count=1)

    def let_go(self, items: Iterable[int] = range(N_ITEMS)) -> None:
        """End these items of all batches."""
        for item in items:
            (self.folder / str(item)).touch()

    def is_complete(self, batch: str) -> bool:
        return bool(status(self.client, batch)["state"] == "Complete")

    def wait_for(self, batch: str) -> None:
        """Returns when the batch is complete, each result in its place."""
        wait_until(lambda: self.is_complete(batch), 120, every=0.1)
        results = status(self.client, batch, results=True)["batchExecutionResults"]
        assert [result["outputParameters"]["y"] for result in results] == list(range(N_ITEMS))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode) -> WebNode:
    """A web node that has its database, with a compute node declared."""
    directory = tmp_path_factory.mktemp("cluster")
    web = set_up_web_node(directory, MLOPS_CLUSTER_KEY=compute_node.cluster_key)
    web.declare(compute_node.address)
    return web


@pytest.fixture(scope="module")
def cluster(
    broker: Broker, installed: WebNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    environment = {**installed.environment, "MLOPS_BROKER_URL": broker.url}
    web = replace(installed, port=free_port(), environment=environment)
    web.start()
    client, folder = web.sign_in(), tmp_path_factory.mktemp("items")
    path = publish(client, "waiting", WAITING.format(folder=str(folder)))
    cluster = Cluster(broker, web, client, path, folder)
    try:
        for name in WORKERS:
            cluster.start_worker(name)
        yield cluster
    finally:
        for name in cluster.workers:
            cluster.kill_worker(name)
        client.close()
        web.stop()


@pytest.fixture
def running(cluster: Cluster) -> str:
    """A batch whose first item is completed, while the second waits."""
    for file in cluster.folder.iterdir():
        file.unlink()
    cluster.let_go([0])
    batch = cluster.start_batch()
    wait_until(lambda: n_completed(cluster.client, batch) == 1, 120, every=0.1)
    return batch


def test_a_batch_whose_worker_is_killed_goes_on_with_another(
    cluster: Cluster, running: str
) -> None:
    cluster.kill_worker("batch")
    assert not cluster.is_complete(running)
    cluster.start_worker("batch")
    cluster.let_go()
    cluster.wait_for(running)


def test_nothing_is_lost_with_a_broker_that_dies_with_all_its_messages(
    cluster: Cluster, running: str
) -> None:
    cluster.broker.kill()
    cluster.let_go()
    cluster.wait_for(running)  # no message is needed for it any more
    meanwhile = cluster.start_batch()
    cluster.broker.start()
    cluster.wait_for(meanwhile)


def test_a_worker_that_is_told_to_stop_gives_its_batch_back(cluster: Cluster, running: str) -> None:
    assert leases(cluster) == 1
    cluster.workers["batch"].send_signal(signal.SIGTERM)
    wait_until(lambda: "Warm shutdown" in cluster.log("batch").read_text())
    cluster.let_go([1])  # which it may still end
    assert cluster.workers["batch"].wait(60) == 0
    assert not cluster.is_complete(running)
    assert leases(cluster) == 0


def leases(cluster: Cluster) -> int:
    """How many there are in the database."""
    url = cluster.web.environment["MLOPS_DATABASE_URL"]
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM services_batchlease")
        ((count,),) = cursor.fetchall()
    return int(count)


def test_no_log_has_the_password_of_the_broker(cluster: Cluster) -> None:
    for log in (cluster.web.log, *map(cluster.log, WORKERS)):
        assert PASSWORD not in log.read_text()
    assert "Connected to" in cluster.log("batch").read_text()
