"""Batches with Redis and with RabbitMQ between web node and workers, which come and go."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.brokers import PASSWORD, Broker
from tests.e2e.test_batch import n_completed, publish, start, status
from tests.nodes.runtime.running import ROOT, RunningNode, wait_until
from tests.nodes.web import WebNode, start_web_node

SLOW = "import time; time.sleep(0.05); y = x"
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
        return self.web.data_dir / f"{name}.log"

    def is_complete(self, batch: str) -> bool:
        return bool(status(self.client, batch)["state"] == "Complete")


@pytest.fixture(scope="module")
def cluster(
    broker: Broker, compute_node: RunningNode, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    web = start_web_node(
        tmp_path_factory.mktemp("cluster"),
        MLOPS_CLUSTER_KEY=compute_node.cluster_key,
        MLOPS_BROKER_URL=broker.url,
    )
    cluster = Cluster(broker, web, web.sign_in())
    try:
        web.declare(compute_node.address)
        for name in WORKERS:
            cluster.start_worker(name)
        yield cluster
    finally:
        cluster.client.close()
        for name in cluster.workers:
            cluster.kill_worker(name)
        web.stop()


def test_a_batch_is_run(cluster: Cluster) -> None:
    path = publish(cluster.client, "quick", "y = x")
    batch = start(cluster.client, path, 50, parallel_count=4)
    wait_until(lambda: cluster.is_complete(batch))


def test_a_batch_whose_worker_is_killed_goes_on_with_another(cluster: Cluster) -> None:
    path = publish(cluster.client, "slow", SLOW)
    batch = start(cluster.client, path, 200, parallel_count=2)
    wait_until(lambda: n_completed(cluster.client, batch) > 0)
    cluster.kill_worker("batch")
    assert not cluster.is_complete(batch)
    cluster.start_worker("batch")
    wait_until(lambda: cluster.is_complete(batch))


def test_nothing_is_lost_with_a_broker_that_dies_with_all_its_messages(cluster: Cluster) -> None:
    path = publish(cluster.client, "slow", SLOW)
    running = start(cluster.client, path, 200, parallel_count=2)
    wait_until(lambda: n_completed(cluster.client, running) > 0)
    cluster.broker.kill()
    wait_until(lambda: cluster.is_complete(running))  # no message is needed for it any more
    meanwhile = start(cluster.client, path, 5, parallel_count=2)
    cluster.broker.start()
    wait_until(lambda: cluster.is_complete(meanwhile), 120)


def test_no_log_has_the_password_of_the_broker(cluster: Cluster) -> None:
    for log in (cluster.web.log, *map(cluster.log, WORKERS)):
        assert PASSWORD not in log.read_text()
    assert "Connected to" in cluster.log("batch").read_text()


def test_a_worker_that_is_told_to_stop_gives_its_batch_back(cluster: Cluster) -> None:
    path = publish(cluster.client, "slow", SLOW)
    batch = start(cluster.client, path, 200, parallel_count=2)
    wait_until(lambda: n_completed(cluster.client, batch) > 0)
    cluster.workers["batch"].terminate()
    assert cluster.workers["batch"].wait(60) == 0
    assert not cluster.is_complete(batch)
    cluster.start_worker("batch")
    wait_until(lambda: cluster.is_complete(batch))
