"""The metrics of a real box, whose workers are processes of their own."""

import httpx

from tests.e2e.one_box import OneBox
from tests.e2e.test_batch import has_completed, publish, start
from tests.figures import Figures
from tests.nodes.runtime.running import wait_until

N_ITEMS = 20


def figures(client: httpx.Client, url: str = "/metrics") -> Figures:
    return Figures(client.get(url).raise_for_status().text)


def test_the_web_node_tells_of_the_items_that_the_batch_worker_ran(one_box: OneBox) -> None:
    with one_box.client() as client:
        path = publish(client, "measured", "y = x")
        client.post("/api/measured/1", json={"x": 1}).raise_for_status()
        batch = start(client, path, N_ITEMS, parallel_count=2)
        wait_until(lambda: has_completed(client, batch, N_ITEMS), every=0.2)
        labels = {"name": "measured", "version": "1", "status": "200", "success": "true"}
        assert figures(client).sum("mlops_calls_total", source="call", **labels) == 1
        # The worker tells what it has counted within some seconds.
        wait_until(
            lambda: figures(client).sum("mlops_calls_total", source="batch", **labels) == N_ITEMS,
            every=0.2,
        )
        (info,) = figures(client).of("mlops_version_info", name="measured")
        client.delete("/services/measured/1").raise_for_status()
        assert not figures(client).of("mlops_calls_total", name="measured")

    key = (one_box.data_dir / "secrets" / "cluster_key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, timeout=60) as client:
        seen = figures(client, f"http://127.0.0.1:{one_box.compute_port}/metrics")
    calls = {"bundle": info.labels["bundle"], "status": "200", "success": "true"}
    assert seen.sum("mlops_node_calls_total", **calls) == N_ITEMS + 1


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


def test_nothing_that_was_told_is_less_when_the_web_node_was_killed(one_box: OneBox) -> None:
    with one_box.client() as client:
        publish(client, "lasting", "y = x")
        for x in range(3):
            client.post("/api/lasting/1", json={"x": x}).raise_for_status()
        told = figures(client).of("mlops_calls_total", name="lasting")
        assert [sample.value for sample in told] == [3]
        one_box.kill("web node")
        wait_until(lambda: answers(client), every=0.2)
        client.post("/api/lasting/1", json={"x": 3}).raise_for_status()
        (sample,) = figures(client).of("mlops_calls_total", name="lasting")
        assert (sample.labels, sample.value) == (told[0].labels, 4)
        client.delete("/services/lasting/1").raise_for_status()
