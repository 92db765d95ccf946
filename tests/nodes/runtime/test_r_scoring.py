"""R services through a whole compute node: scored, contained, kept apart; R sessions."""

import base64
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.runtime.r_shells import run_r
from tests.nodes.runtime.running import (
    Parameters,
    Published,
    RunningNode,
    processes_below,
    running_node,
    wait_until,
    zip_of,
)

pytestmark = pytest.mark.r

NUMERIC_Y: Parameters = [("y", "numeric")]
FOREST_SCRIPT = """
path <- commandArgs(TRUE)
set.seed(5)
forest <- randomForest::randomForest(medv ~ ., MASS::Boston, ntree = 100)
save(forest, file = path)
rows <- MASS::Boston[seq(3, 503, length.out = 10), names(MASS::Boston) != "medv"]
cat(jsonlite::toJSON(
  list(rows = rows, answers = unname(predict(forest, rows))),
  dataframe = "columns", digits = I(17)
))
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node whose calls may take 20 seconds, 1 GiB of memory and 64 kB of console."""
    with running_node(
        tmp_path_factory.mktemp("node"),
        MLOPS_POOL_MAX_SIZE="6",
        MLOPS_RUN_SECONDS="20",
        MLOPS_SHELL_MEMORY_MB="1024",
        MLOPS_CONSOLE_MAX_BYTES="65536",
    ) as running:
        wait_until(lambda: running.health("R")["currentPoolSize"] > 0)
        yield running


def publish(node: RunningNode, code: str, **parts: Any) -> Published:
    return node.publish(code, runtime="R", **parts)


def failure(node: RunningNode, code: str) -> str:
    """The error message of code that fails, after which the node serves as before."""
    result = publish(node, code, outputs=NUMERIC_Y).score()
    assert result["success"] is False
    assert result["outputParameters"] == {}
    assert publish(node, "y <- 1", outputs=NUMERIC_Y).outputs() == {"y": 1}
    return str(result["errorMessage"])


def test_a_node_with_r_says_so(node: RunningNode) -> None:
    assert node.health("R")["available"] is True


@pytest.fixture(scope="module")
def boston(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """The .RData with a forest of 100 trees; ten rows and what R itself predicts for them."""
    path = tmp_path_factory.mktemp("boston") / "forest.RData"
    truth = json.loads(run_r(FOREST_SCRIPT, str(path)))
    return path.read_bytes(), truth


@pytest.mark.parametrize("orientation", ["columns", "rows"])
def test_a_random_forest_predicts_what_r_predicts(
    node: RunningNode, boston: tuple[bytes, dict[str, Any]], orientation: str
) -> None:
    workspace, truth = boston
    service = publish(
        node,
        "answer <- predict(forest, inputData)",
        init_code="library(randomForest)",
        inputs=[("inputData", "data.frame")],
        outputs=[("answer", "vector")],
        payload=zip_of({".RData": workspace}),
    )
    rows: Any = truth["rows"]
    if orientation == "rows":
        rows = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    answer = service.outputs({"inputData": rows})["answer"]
    assert len(answer) == 10
    assert answer == pytest.approx(truth["answers"], abs=1e-9, rel=0)


def test_the_result_has_all_parts_in_their_order(node: RunningNode) -> None:
    service = publish(
        node,
        "print(x)\ncat('hello', file = 'out.txt')\ny <- x / 3",
        inputs=[("x", "numeric")],
        outputs=NUMERIC_Y,
        output_files=["out.txt"],
    )
    assert list(service.score({"x": 1}).items()) == [
        ("success", True),
        ("errorMessage", ""),
        ("consoleOutput", "[1] 1\n"),
        ("changedFiles", ["out.txt"]),
        ("outputParameters", {"y": 1 / 3}),
        ("outputFiles", {"out.txt": base64.b64encode(b"hello").decode()}),
    ]


def test_every_type_passes_both_ways(node: RunningNode) -> None:
    types = ["logical", "numeric", "integer", "character", "vector", "matrix", "data.frame"]
    values = [True, 0.1, 7, "\u00fc\u20ac", [1.5, None], [[1, 2], [3, 4]], {"a": [1], "b": ["x"]}]
    service = publish(
        node,
        "\n".join(f"y{i} <- x{i}" for i in range(7)),
        inputs=[(f"x{i}", kind) for i, kind in enumerate(types)],
        outputs=[(f"y{i}", kind) for i, kind in enumerate(types)],
    )
    outputs = service.outputs({f"x{i}": value for i, value in enumerate(values)})
    assert list(outputs.values()) == values


def test_not_a_number_and_infinity_are_taken(node: RunningNode) -> None:
    service = publish(
        node,
        "y <- c(is.na(v[1]), v[2:3] == c(Inf, -Inf))",
        inputs=[("v", "vector")],
        outputs=[("y", "vector")],
    )
    outputs = service.outputs(b'{"V":[NaN,Infinity,-Infinity,"NaN"]}')
    assert outputs == {"y": [True, True, True]}


@pytest.mark.parametrize(
    ("body", "field"),
    [(b'{"x":"one"}', "x"), (b"{}", "x"), (b'{"x":[1,2]}', "x"), (b"{", "")],
)
def test_wrong_input_is_refused_with_its_name(node: RunningNode, body: bytes, field: str) -> None:
    answer = publish(node, "y <- x", inputs=[("x", "numeric")], outputs=NUMERIC_Y).post(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-input"
    assert answer.json().get("fields", "") == field


def test_text_that_r_cannot_hold_is_refused(node: RunningNode) -> None:
    service = publish(node, "y <- 1", inputs=[("s", "character")], outputs=NUMERIC_Y)
    answer = service.post({"s": "a\0b"})
    assert answer.status_code == 400
    assert "U+0000" in answer.json()["message"]


def test_concurrent_callers_see_nothing_of_each_other(node: RunningNode) -> None:
    service = publish(
        node,
        "seen <- c(ls(), list.files())\nassign(who, 1)\nfile.create(who)\ncat(who)\n"
        "Sys.sleep(0.01)\nsame <- who",
        inputs=[("who", "character")],
        outputs=[("seen", "vector"), ("same", "character")],
    )

    def call(number: int) -> None:
        who = f"caller{number}"
        result = service.score({"who": who})
        assert result["outputParameters"] == {"seen": ["who"], "same": who}
        assert result["changedFiles"] == [who]
        assert result["consoleOutput"] == f"[1] TRUE\n{who}"

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(call, range(40)))


def test_callers_in_line_are_served_by_the_same_shells(node: RunningNode) -> None:
    service = publish(node, "Sys.sleep(0.01)\ny <- Sys.getpid()", outputs=NUMERIC_Y)
    with ThreadPoolExecutor(4) as callers:
        pids = set(callers.map(lambda _: service.outputs()["y"], range(40)))
    assert len(pids) <= 4


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("f <- function(x) {\n  stop('boom')\n}\nf(1)", "line 2: stop('boom')"),
        ("y <- (1", "unexpected end of input"),
        ("quit(status = 3)", "quit() cannot be used"),
        ("y <- function() 1", "Output y (numeric) cannot be represented in JSON"),
        ("tools::pskill(Sys.getpid(), 9)", "SIGKILL"),
        ("x <- numeric(1e9)", "cannot allocate vector of size"),
        ("f <- function() f()\nf()", "too close to the limit"),
        ("repeat {}", "stopped after 20 seconds"),
    ],
)
def test_bad_code_fails_its_own_call_clearly(node: RunningNode, code: str, text: str) -> None:
    assert text in failure(node, code)


def test_a_flood_of_console_is_cut_and_the_run_goes_on(node: RunningNode) -> None:
    code = "line <- strrep('x', 1e6)\nfor (i in 1:50) cat(line)\ny <- 1"
    result = publish(node, code, outputs=NUMERIC_Y).score()
    assert result["outputParameters"] == {"y": 1}
    assert len(result["consoleOutput"]) < 70_000


def test_processes_left_running_are_killed_and_the_answer_is_delivered(node: RunningNode) -> None:
    code = "job <- parallel::mcparallel(Sys.sleep(1000))\nsystem('sleep 1001 &')\ny <- job$pid"
    pid = publish(node, code, outputs=NUMERIC_Y).outputs()["y"]
    wait_until(lambda: not Path(f"/proc/{int(pid)}").exists())
    wait_until(lambda: not any("1001" in command_line(p) for p in processes_below(node.work_root)))


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_shell_that_cannot_be_restored_is_replaced(node: RunningNode) -> None:
    service = publish(
        node,
        "y <- Sys.getpid()\ninvisible(Sys.setlocale('LC_TIME', 'C'))",
        outputs=NUMERIC_Y,
    )
    first, second = (service.outputs()["y"] for _ in range(2))
    assert first != second


@pytest.fixture
def session(node: RunningNode) -> Iterator[str]:
    """The path of an open R session."""
    session_id = str(uuid.uuid4())
    assert node.http.post("/v1/sessions", json={"id": session_id, "runtime": "R"}).is_success
    yield f"/v1/sessions/{session_id}"
    node.http.delete(f"/v1/sessions/{session_id}?force=1")


def test_objects_of_a_session_come_back_and_make_a_service(
    node: RunningNode, session: str, boston: tuple[bytes, dict[str, Any]]
) -> None:
    assert node.http.put(f"{session}/workspace/forest", content=boston[0]).is_success
    assert node.http.get(f"{session}/workspace").json() == {"objects": ["forest"]}
    snapshot = node.http.post(f"{session}/snapshot").content
    assert zipfile.ZipFile(io.BytesIO(snapshot)).namelist() == [".RData"]
    service = publish(node, "y <- forest$ntree", outputs=NUMERIC_Y, payload=snapshot)
    assert service.outputs() == {"y": 100}


def test_an_empty_session_has_an_empty_snapshot(node: RunningNode, session: str) -> None:
    snapshot = node.http.post(f"{session}/snapshot").content
    assert zipfile.ZipFile(io.BytesIO(snapshot)).namelist() == []


def test_a_snapshot_is_merged_into_a_session(
    node: RunningNode, session: str, boston: tuple[bytes, dict[str, Any]]
) -> None:
    snapshot = zip_of({".RData": boston[0], "data/a.csv": b"1,2"})
    assert node.http.put(f"{session}/snapshot", content=snapshot).is_success
    assert node.http.get(f"{session}/workspace").json() == {"objects": ["forest"]}
    again = zipfile.ZipFile(io.BytesIO(node.http.post(f"{session}/snapshot").content))
    assert sorted(again.namelist()) == [".RData", "data/a.csv"]


def test_an_object_that_r_cannot_read_is_refused(node: RunningNode, session: str) -> None:
    refused = node.http.put(f"{session}/workspace/m", content=b"nonsense")
    assert (refused.status_code, refused.json()["code"]) == (400, "object-invalid")
    assert node.http.get(f"{session}/workspace").json() == {"objects": []}


def test_an_unknown_object_is_not_found(node: RunningNode, session: str) -> None:
    for answer in (
        node.http.get(f"{session}/workspace/none"),
        node.http.delete(f"{session}/workspace/none"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "object-unknown")


def test_a_deleted_object_is_gone(
    node: RunningNode, session: str, boston: tuple[bytes, dict[str, Any]]
) -> None:
    node.http.put(f"{session}/workspace/forest", content=boston[0])
    assert node.http.delete(f"{session}/workspace/forest").is_success
    assert node.http.get(f"{session}/workspace").json() == {"objects": []}


def test_a_dedicated_pool_has_loaded_before_the_first_call(
    node: RunningNode, tmp_path: Path
) -> None:
    log = tmp_path / "loads"
    service = publish(
        node,
        "y <- Sys.getpid()",
        init_code=f'cat(Sys.getpid(), "\\n", file = "{log}", append = TRUE)',
        outputs=NUMERIC_Y,
        pool=1,
    )
    path = f"/v1/bundles/{service.id}/pool"
    node.http.put(path, json={"initialSize": 1, "maxSize": 1}).raise_for_status()
    wait_until(lambda: node.http.get(path).json()["status"] == "Success")
    (pid,) = log.read_text().split()
    assert [service.outputs()["y"] for _ in range(2)] == [int(pid)] * 2
    assert log.read_text().split() == [pid]
    node.http.delete(path).raise_for_status()
