"""Calls that wait together are run as one; nobody can tell, but by the time it takes."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.figures import Figures
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import Published, RunningNode, running_node, wait_until

IN = [("x", "data.frame")]
OUT = [("y", "data.frame")]
# A call with the name of a file in `hold` keeps its shell busy for as long as the file is there.
HOLDING = """
import os, time
while "hold" in x and os.path.exists(x.hold[0]):
    time.sleep(0.01)
"""
# How many rows were run together shows in the answers.
COUNTING = HOLDING + "y = pd.DataFrame({'double': 2 * x.a, 'n': len(x)})"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with one shell, which merges up to 10 rows and 2000 bytes."""
    with running_node(
        tmp_path_factory.mktemp("node"),
        MLOPS_RSCRIPT=NO_R,
        MLOPS_POOL_MAX_SIZE="1",
        MLOPS_MERGE_MAX_ROWS="10",
        MLOPS_MERGE_MAX_BYTES="2000",
    ) as running:
        yield running


class Caller:
    """A call that has been sent and whose answer can wait."""

    def __init__(self, published: Published, inputs: Any) -> None:
        node = published.node
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
        self._connection.request(
            "POST",
            f"/v1/bundles/{published.id}/score",
            inputs if isinstance(inputs, bytes) else json.dumps(inputs).encode(),
            {"Authorization": f"Bearer {node.cluster_key}"},
        )

    def answer(self) -> tuple[int, Any]:
        response = self._connection.getresponse()
        try:
            return response.status, json.load(response)
        finally:
            self._connection.close()

    def result(self) -> dict[str, Any]:
        status, body = self.answer()
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def outputs(self) -> Any:
        result = self.result()
        assert result["success"], result["errorMessage"]
        return result["outputParameters"]["y"]

    def hang_up(self) -> None:
        self._connection.close()


class Held:
    """While inside, calls of the service wait in line, since its one shell is busy."""

    def __init__(self, published: Published, directory: Path) -> None:
        self._published = published
        self._file = directory / "hold"
        self._n_calls = 0

    def __enter__(self) -> "Held":
        self._file.touch()
        inputs = {"x": {"a": [0], "hold": [str(self._file)]}}
        self._holder = Caller(self._published, inputs)
        node = self._published.node
        wait_until(lambda: figures(node).sum("mlops_node_shells", state="busy") == 1)
        return self

    def __exit__(self, *_: object) -> None:
        self.wait_for_line()
        self._file.unlink()
        self._holder.answer()

    def call(self, inputs: Any) -> Caller:
        self._n_calls += 1
        return Caller(self._published, inputs)

    def hang_up(self, caller: Caller) -> None:
        self.wait_for_line()
        self._n_calls -= 1
        caller.hang_up()

    def wait_for_line(self) -> None:
        """Returns when all calls but the one that holds the shell stand in line."""
        node = self._published.node
        wait_until(lambda: figures(node).sum("mlops_node_waiting_calls") == self._n_calls)


def figures(node: RunningNode) -> Figures:
    return Figures(node.http.get("/metrics").text)


def published(node: RunningNode, code: str = COUNTING, **parts: Any) -> Published:
    """A row-independent service that has been called once, so that a shell is warm for it."""
    said = {"inputs": IN, "outputs": OUT, "row_independent": True, **parts}
    service = node.publish(code, **{"init_code": "import pandas as pd", **said})
    service.score({"x": {"a": [100]}})
    return service


def test_calls_that_wait_together_run_as_one(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node), tmp_path) as held:
        calls = [held.call({"x": {"a": [n, -n][: 1 + n % 2]}}) for n in range(5)]
    assert [call.outputs() for call in calls] == [
        {"double": [2 * n, -2 * n][: 1 + n % 2], "n": [7] * (1 + n % 2)} for n in range(5)
    ]


def test_a_call_that_finds_an_idle_shell_runs_alone(node: RunningNode) -> None:
    assert published(node).outputs({"x": {"a": [1, 2]}}) == {"y": {"double": [2, 4], "n": [2, 2]}}


def test_calls_of_other_services_are_not_merged(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node, row_independent=False), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(3)]
    assert [call.outputs()["n"] for call in calls] == [[1]] * 3


def test_one_run_has_so_many_rows_at_most(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node), tmp_path) as held:
        calls = [held.call({"x": {"a": [n] * 4}}) for n in range(5)]
    assert [call.outputs()["n"][0] for call in calls] == [8, 8, 8, 8, 4]


def test_one_run_has_so_many_bytes_at_most(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node), tmp_path) as held:
        large, larger = 900 * " ", 2000 * " "
        bodies = [f'{{"x":{{"a":[{n}]}}{large}}}'.encode() for n in range(4)]
        calls = [held.call(body) for body in bodies]
        alone = held.call(f'{{"x":{{"a":[9]}}{larger}}}'.encode())
    assert [call.outputs()["n"] for call in calls] == [[2]] * 4
    assert alone.outputs() == {"double": [18], "n": [1]}


def test_only_calls_of_one_form_are_merged(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node), tmp_path) as held:
        values: list[Any] = [1, 1.5, 2, 2.5, "a", True]
        calls = [held.call({"x": {"a": [value]}}) for value in values]
    assert [call.outputs() for call in calls] == [
        {"double": [2], "n": [2]},
        {"double": [3.0], "n": [2]},
        {"double": [4], "n": [2]},
        {"double": [5.0], "n": [2]},
        {"double": ["aa"], "n": [1]},
        {"double": [2], "n": [1]},
    ]


def test_an_error_is_its_callers_own(node: RunningNode, tmp_path: Path) -> None:
    code = COUNTING + "\nif (x.a == 3).any():\n    raise ValueError('three')"
    with Held(published(node, code), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(5)]
    results = [call.result() for call in calls]
    assert [result["success"] for result in results] == [True, True, True, False, True]
    assert results[3]["errorMessage"].startswith("ValueError: three")
    assert results[4]["outputParameters"] == {"y": {"double": [8], "n": [1]}}


def test_a_body_that_does_not_fit_is_refused_alone(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node), tmp_path) as held:
        bad = [held.call(body) for body in (b"{", {"z": 1}, {"x": 5})]
        good = [held.call({"x": {"a": [n]}}) for n in range(2)]
    assert [call.answer()[0] for call in bad] == [400] * 3
    assert [call.outputs()["n"] for call in good] == [[2]] * 2


def test_what_is_printed_goes_to_whom_it_is_about(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node, COUNTING + "\nprint('saw', *x.a)"), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(3)]
    results = [call.result() for call in calls]
    assert [result["consoleOutput"] for result in results] == [f"saw {n}\n" for n in range(3)]


def test_files_are_told_to_whom_they_are_about(node: RunningNode, tmp_path: Path) -> None:
    with Held(published(node, COUNTING + "\nopen(f'{x.a[0]}.txt', 'w')"), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(3)]
    assert [call.result()["changedFiles"] for call in calls] == [[f"{n}.txt"] for n in range(3)]


def test_answers_without_a_row_for_each_of_the_inputs_are_each_callers_own(
    node: RunningNode, tmp_path: Path
) -> None:
    code = HOLDING + "y = pd.DataFrame({'sum': [x.a.sum()]})"
    with Held(published(node, code), tmp_path) as held:
        calls = [held.call({"x": {"a": [n, 1]}}) for n in range(3)]
    assert [call.outputs() for call in calls] == [{"sum": [n + 1]} for n in range(3)]


def test_a_shell_that_dies_takes_only_one_call_with_it(node: RunningNode, tmp_path: Path) -> None:
    code = COUNTING + "\nif (x.a == 1).any():\n    os._exit(3)"
    with Held(published(node, code), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(3)]
    results = [call.result() for call in calls]
    assert [result["success"] for result in results] == [True, False, True]
    assert "exit code 3" in results[1]["errorMessage"]


def test_who_hangs_up_in_line_does_not_hurt_the_others(node: RunningNode, tmp_path: Path) -> None:
    service = published(node)
    with Held(service, tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(4)]
        held.hang_up(calls.pop(1))
    assert [call.outputs()["double"] for call in calls] == [[0], [4], [6]]


def test_who_hangs_up_in_a_run_does_not_hurt_the_others(node: RunningNode, tmp_path: Path) -> None:
    seen, go_on = tmp_path / "seen", tmp_path / "go_on"
    code = COUNTING + (
        f"\nif len(x) > 1:\n    open({str(seen)!r}, 'w').close()\n"
        f"    while not os.path.exists({str(go_on)!r}):\n        time.sleep(0.01)"
    )
    with Held(published(node, code), tmp_path) as held:
        calls = [held.call({"x": {"a": [n]}}) for n in range(4)]
    wait_until(seen.exists)
    calls.pop(1).hang_up()
    node.health()  # by then it has read that
    go_on.touch()
    assert [call.outputs() for call in calls] == [{"double": [2 * n], "n": [4]} for n in (0, 2, 3)]


def test_a_service_that_cannot_be_merged_is_left_alone_for_a_while(
    node: RunningNode, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    code = COUNTING + f"\nopen({str(runs)!r}, 'a').write(f'{{len(x)}}\\n')\nprint('x')"
    service = published(node, code)
    for _ in range(4):
        with Held(service, tmp_path) as held:
            calls = [held.call({"x": {"a": [n]}}) for n in range(2)]
        assert [call.outputs()["n"] for call in calls] == [[1], [1]]
    assert runs.read_text().split().count("2") == 3


def test_it_is_counted_why_calls_ran_and_how_many_together(
    node: RunningNode, tmp_path: Path
) -> None:
    service = published(node)
    before = figures(node)
    with Held(service, tmp_path) as held:
        calls = [held.call({"x": {"a": [value] * 2}}) for value in (1, 2, 3, 4, "a")]
    for call in calls:
        call.outputs()
    after = figures(node)
    flushed = "mlops_node_flushed_calls_total"
    assert after.rise(before, flushed, reason="idle") == 1  # the one that held the shell
    assert after.rise(before, flushed, reason="free") == 5
    assert after.rise(before, "mlops_node_merged_calls_sum") == 4
    assert after.rise(before, "mlops_node_merged_rows_sum") == 8
    assert after.rise(before, "mlops_node_merged_rows_count") == 1
    assert after.rise(before, "mlops_node_unmerged_calls_total", reason="unlike") == 1
