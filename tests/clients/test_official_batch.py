"""Batches with the official Python client against a real one-box (clients.md part A)."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from azureml.common.http_client import HttpException

from tests.nodes.runtime.running import wait_until

DRAW = """
print("drawing", n)
with open("numbers.txt", "w") as file:
    file.write(",".join(str(i) for i in range(n)))
total = sum(range(n))
"""
DRAW_IN_R = """
cat("drawing", n, "\\n")
cat(seq_len(n) - 1, sep = ",", file = "numbers.txt")
total <- as.integer(sum(seq_len(n) - 1))
"""


@pytest.fixture(scope="module")
def python_service(client: Any) -> Any:
    """A service that adds up the numbers below `n` and returns them in a file."""
    return client.deploy_service(
        f"batch-{uuid.uuid4().hex[:12]}",
        version="v1",
        code_str=DRAW,
        inputs={"n": int},
        outputs={"total": int},
        artifacts=["numbers.txt"],
    )


@pytest.fixture(scope="module")
def r_service(client: Any) -> Any:
    """The same in R, which this client can only call."""
    name = f"batch-{uuid.uuid4().hex[:12]}"
    definition = {
        "code": DRAW_IN_R,
        "runtimeType": "R",
        "inputParameterDefinitions": [{"name": "n", "type": "integer"}],
        "outputParameterDefinitions": [{"name": "total", "type": "integer"}],
        "outputFileNames": ["numbers.txt"],
    }
    client._http_client.post(f"/services/{name}/v1", json=definition)
    return client.get_service(name, version="v1")


@pytest.fixture(scope="module", params=["python", "r"])
def service(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_service")


@pytest.fixture(scope="module")
def batch(service: Any) -> Iterator[Any]:
    """A complete batch of three items."""
    batch = service.batch([{"n": 3}, {"n": 0}, {"n": 5}], parallel_count=2).start()
    wait_until(lambda: batch.results().state == "Complete")
    yield batch
    batch.cancel()


def test_results_are_found_by_their_index(batch: Any) -> None:
    results = batch.results(show_partial_results=False)
    assert (results.completed_item_count, results.total_item_count) == (3, 3)
    assert [results.execution(i).output("total") for i in range(3)] == [3, 0, 10]
    assert results.execution(2).console_output.strip() == "drawing 5"
    assert results.execution(2).error == ""


def test_artifacts_are_listed_and_fetched(batch: Any, tmp_path: Path) -> None:
    assert batch.list_artifacts(2) == ["numbers.txt"]
    assert batch.artifact(2, "numbers.txt") == b"0,1,2,3,4"
    (path,) = batch.download(2, "numbers.txt", str(tmp_path))
    assert Path(path).read_bytes() == b"0,1,2,3,4"
    assert batch.results().execution(2).artifacts == {}


def test_the_batch_is_found_by_its_id(service: Any, batch: Any) -> None:
    assert batch.execution_id in service.list_batch_executions()
    again = service.get_batch(batch.execution_id)
    assert again.results().execution(0).output("total") == 3


def test_after_cancelling_the_batch_is_gone(service: Any) -> None:
    batch = service.batch([{"n": 1}]).start()
    batch.cancel()
    assert batch.execution_id not in service.list_batch_executions()
    with pytest.raises(HttpException) as raised:
        batch.results()
    assert raised.value.status == 404


@pytest.mark.parametrize("records", [{"n": [2, 4]}, pd.DataFrame({"n": [2, 4]})], ids=type)
def test_columns_and_frames_are_a_record_for_each_row(python_service: Any, records: Any) -> None:
    batch = python_service.batch(records).start()
    wait_until(lambda: batch.results().state == "Complete")
    results = batch.results()
    assert [results.execution(i).output("total") for i in range(2)] == [1, 6]
    batch.cancel()


def test_partial_results_show_what_is_there_and_can_be_left_out(client: Any) -> None:
    service = client.deploy_service(
        f"batch-{uuid.uuid4().hex[:12]}",
        version="v1",
        code_str="import time\nwhile x:\n    time.sleep(1)\ny = x",
        inputs={"x": int},
        outputs={"y": int},
    )
    batch = service.batch([{"x": 0}, {"x": 1}], parallel_count=2).start()
    wait_until(lambda: batch.results().completed_item_count == 1)
    results = batch.results()
    assert (results.state, results.total_item_count) == ("InProgress", 2)
    assert results.execution(0).output("y") == 0
    with pytest.raises(IndexError):
        batch.results(show_partial_results=False).execution(0)
    batch.cancel()
