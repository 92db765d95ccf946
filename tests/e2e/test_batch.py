"""Batches on a real box, while parts of it are killed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import wait_until

N_ITEMS = 10_000
# Each run leaves a line in a file of its own item: which item it was, and a number nobody else has.
RECORDING = """
import os, uuid
run = uuid.uuid4().hex
with open(os.path.join({folder!r}, str(x % 16)), "ab", buffering=0) as file:
    file.write(f"{{x}} {{run}}\\n".encode())
y = x * 2
"""


@pytest.fixture(scope="module")
def client(open_box: OneBox) -> Iterator[httpx.Client]:
    with open_box.client() as client:
        yield client


def publish(client: httpx.Client, name: str, code: str, **more: Any) -> str:
    """The address of the version's batches."""
    definition = {
        "code": code,
        "runtimeType": "Python",
        "inputParameterDefinitions": [{"name": "x", "type": "integer"}],
        "outputParameterDefinitions": [{"name": "y", "type": "integer"}],
        **more,
    }
    client.delete(f"/services/{name}/1")
    client.post(f"/services/{name}/1", json=definition).raise_for_status()
    return f"/api/{name}/1/batch"


def start(client: httpx.Client, path: str, n_items: int, *, parallel_count: int) -> str:
    """The address of the new batch."""
    items = [{"x": x} for x in range(n_items)]
    answer = client.post(path, params={"parallelCount": parallel_count}, json=items)
    assert answer.status_code == 202, answer.text
    return f"{path}/{answer.json()['batchExecutionId']}"


def status(client: httpx.Client, batch: str, *, results: bool = False) -> dict[str, Any]:
    query = {"showPartialResults": "true" if results else "false"}
    answer: dict[str, Any] = client.get(batch, params=query).raise_for_status().json()
    return answer


def n_completed(client: httpx.Client, batch: str) -> int:
    return int(status(client, batch)["completedItemCount"])


def recorded_runs(folder: Path) -> list[tuple[int, str]]:
    """The item and the number of each run."""
    lines = [line.split() for file in folder.iterdir() for line in file.read_text().splitlines()]
    return [(int(x), run) for x, run in lines]


def has_completed(client: httpx.Client, batch: str, n_items: int) -> bool:
    """Whether so many are completed; False while nobody answers."""
    try:
        return n_completed(client, batch) >= n_items
    except httpx.TransportError:
        return False


def test_ten_thousand_items_survive_two_deaths_of_the_worker_and_one_of_each_node(
    open_box: OneBox, client: httpx.Client, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    code = RECORDING.format(folder=str(tmp_path)) + "z = run\n"
    outputs = [{"name": "y", "type": "integer"}, {"name": "z", "type": "character"}]
    path = publish(client, "recording", code, outputParameterDefinitions=outputs)
    batch = start(client, path, N_ITEMS, parallel_count=20)

    deaths = {500: ["batch worker"], 1500: ["compute node", "web node"], 2500: ["batch worker"]}
    for n_items, programs in deaths.items():
        wait_until(lambda: has_completed(client, batch, n_items), every=0.2)  # noqa: B023
        assert status(client, batch)["state"] == "InProgress"
        for program in programs:
            open_box.kill(program)

    wait_until(lambda: has_completed(client, batch, N_ITEMS), 240, every=0.5)
    answer = status(client, batch, results=True)
    results = answer["batchExecutionResults"]
    counts = (answer["completedItemCount"], answer["totalItemCount"])
    assert (answer["state"], *counts) == ("Complete", N_ITEMS, N_ITEMS)
    assert [result["outputParameters"]["y"] for result in results if result["success"]] == [
        2 * x for x in range(N_ITEMS)
    ]
    # Each result is of one run of its own item; runs that were broken off left none.
    runs = set(recorded_runs(tmp_path))
    told = [(x, result["outputParameters"]["z"]) for x, result in enumerate(results)]
    assert set(told) <= runs
    assert len({run for _, run in told}) == N_ITEMS
    n_broken_off = len(runs) - N_ITEMS
    assert n_broken_off < N_ITEMS / 10
    client.delete(batch)


def test_cancelling_stops_what_runs_and_what_would_run_and_a_failing_item_is_a_result_as_well(
    open_box: OneBox, client: httpx.Client, tmp_path: Path
) -> None:
    code = RECORDING.format(folder=str(tmp_path)) + "import time; time.sleep(600)\n"
    batch = start(client, publish(client, "sleeping", code), 50, parallel_count=2)
    wait_until(lambda: len(recorded_runs(tmp_path)) == 2)
    running = set(open_box.shells("Python"))
    assert client.delete(batch).json() == [batch.rpartition("/")[2]]
    assert client.get(batch).status_code == 404

    # The shells that ran the items are killed, and a later batch finds its way at once.
    wait_until(lambda: len(running - set(open_box.shells("Python"))) >= 2, every=0.2)
    second = start(client, publish(client, "failing", "y = 1 // (x % 2)"), 6, parallel_count=3)
    wait_until(lambda: status(client, second)["state"] == "Complete", every=0.1)
    results = status(client, second, results=True)["batchExecutionResults"]
    assert [result["success"] for result in results] == [False, True] * 3
    assert "ZeroDivisionError" in results[0]["errorMessage"]
    assert len(recorded_runs(tmp_path)) == 2
    client.delete(second)
