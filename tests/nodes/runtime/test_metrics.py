"""What a compute node tells Prometheus."""

import os
import signal
from collections.abc import Iterator

import pytest

from nodes.runtime.authorization import ClusterKeyRequired, ClusterKeys
from tests.figures import Figures, require_histogram
from tests.mlops.layers import get, handed_in
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.open_sessions import open_session
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode, running_node, wait_until

TOKEN = "for metrics alone"
X = [("x", "numeric")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with a metrics token whose calls may take 5 seconds."""
    with running_node(
        tmp_path_factory.mktemp("node"),
        MLOPS_RSCRIPT=NO_R,
        MLOPS_METRICS_TOKEN=TOKEN,
        MLOPS_RUN_SECONDS="5",
    ) as running:
        yield running


def figures(node: RunningNode) -> Figures:
    answer = node.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Figures(answer.text)


def n_calls(node: RunningNode, bundle: str, status: str, success: str) -> float:
    labels = {"bundle": bundle, "status": status, "success": success}
    return figures(node).sum("mlops_node_calls_total", **labels)


def test_the_metrics_token_opens_metrics_and_nothing_else(node: RunningNode) -> None:
    with node.client(cluster_key=TOKEN) as scraper:
        assert scraper.get("/metrics").status_code == 200
        for path in ("/v1/health", "/metrics/", "/v1/metrics", "//metrics"):
            assert scraper.get(path).status_code == 401
        assert scraper.post("/v1/sessions", json={}).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer another", f"Bearer {TOKEN[:-1]}", TOKEN])
def test_no_other_token_does(node: RunningNode, header: str) -> None:
    answer = node.http.get("/metrics", headers={"Authorization": header})
    assert answer.status_code == 401
    assert b"mlops_node" not in answer.content


def test_where_there_is_no_metrics_token_none_opens_anything() -> None:
    layer = ClusterKeyRequired(handed_in, ClusterKeys("the cluster key"))
    for header in ("Bearer", "Bearer ", f"Bearer {TOKEN}"):
        answer = get(layer, "/metrics", headers={"Authorization": header})
        assert answer.status_code == 401


def test_calls_are_counted_by_bundle_status_and_success(node: RunningNode) -> None:
    service = node.publish("y = 1 / x", inputs=X, outputs=[("y", "numeric")])
    service.score({"x": 1})
    service.score({"x": 2})
    service.score({"x": 0})
    service.post({"x": "two"})
    assert n_calls(node, service.id, "200", "true") == 2
    assert n_calls(node, service.id, "200", "false") == 1
    assert n_calls(node, service.id, "400", "false") == 1


def test_realtime_calls_are_counted_with_their_loads_and_models(node: RunningNode) -> None:
    before = figures(node)
    service = node.publish_model(adding())
    for x in (1, 2, 3):
        service.score({"inputData": {"x": [x]}})
    after = figures(node)
    labels = {"runtime": "Realtime", "pool": "generic"}
    assert n_calls(node, service.id, "200", "true") == 3
    assert after.rise(before, "mlops_node_load_seconds_count", **labels) == 1
    assert after.rise(before, "mlops_node_queue_seconds_count", **labels) == 3
    assert after.sum("mlops_node_realtime_models_bytes") > 0
    assert after.sum("mlops_node_realtime_threads") >= 1


def test_the_wait_for_a_shell_and_its_load_are_histograms(node: RunningNode) -> None:
    before = figures(node)
    service = node.publish("x = 1", init_code="loaded = True")
    service.score()
    service.score()
    after = figures(node)
    labels = {"runtime": "Python", "pool": "generic"}
    for name, n_more in (("mlops_node_queue_seconds", 2), ("mlops_node_load_seconds", 1)):
        assert after.rise(before, f"{name}_count", **labels) == n_more
        count = after.sum(f"{name}_count", **labels)
        require_histogram(after.of(f"{name}_bucket", **labels), count)


def test_a_load_that_fails_is_counted(node: RunningNode) -> None:
    before = figures(node)
    node.publish("x = 1", init_code="raise ValueError('not today')").score()
    assert figures(node).rise(before, "mlops_node_failed_loads_total", runtime="Python") == 1


@pytest.mark.parametrize("code", ["import os; os._exit(3)", "import time; time.sleep(600)"])
def test_a_shell_that_dies_or_is_killed_for_what_it_does_is_counted(
    node: RunningNode, code: str
) -> None:
    before = figures(node)
    assert node.publish(code).score()["success"] is False
    assert figures(node).rise(before, "mlops_node_shell_deaths_total", runtime="Python") == 1


def test_an_idle_shell_that_is_killed_is_counted(node: RunningNode) -> None:
    before = figures(node)
    pid = node.publish("import os\npid = os.getpid()", outputs=[("pid", "integer")]).outputs()
    os.kill(pid["pid"], signal.SIGKILL)
    name = "mlops_node_shell_deaths_total"
    wait_until(lambda: figures(node).rise(before, name, runtime="Python") == 1)


def test_a_session_is_a_busy_shell_and_its_end_no_death(node: RunningNode) -> None:
    before = figures(node)
    with open_session(node):
        during = figures(node)
        assert during.rise(before, "mlops_node_sessions") == 1
        assert during.rise(before, "mlops_node_shells", runtime="Python", state="busy") == 1
    after = figures(node)
    assert after.rise(before, "mlops_node_sessions") == 0
    assert after.rise(before, "mlops_node_shells", runtime="Python", state="busy") == 0
    assert after.rise(before, "mlops_node_shell_deaths_total", runtime="Python") == 0


def test_a_dedicated_pool_has_figures_of_its_own_until_it_is_gone(node: RunningNode) -> None:
    service = node.publish("x = 1", pool=1)
    path = f"/v1/bundles/{service.id}/pool"
    labels = {"runtime": "Python", "pool": service.id}
    for _ in range(2):  # the second time what is left of the first pool may still be there
        node.http.put(path, json={"initialSize": 1, "maxSize": 1}).raise_for_status()
        wait_until(lambda: figures(node).sum("mlops_node_shells", state="idle", **labels) == 1)
        service.score()
        seen = figures(node)
        assert seen.sum("mlops_node_queue_seconds_count", **labels) == 1
        assert seen.sum("mlops_node_load_seconds_count", **labels) == 1
        assert seen.sum("mlops_node_shell_memory_bytes", **labels) > 1_000_000
        node.http.delete(path).raise_for_status()
    wait_until(lambda: not figures(node).of("mlops_node_shells", **labels))


def test_memory_and_time_of_the_node_itself_are_there(node: RunningNode) -> None:
    seen = figures(node)
    assert seen.sum("process_resident_memory_bytes") > 10_000_000
    assert seen.sum("process_cpu_seconds_total") > 0
