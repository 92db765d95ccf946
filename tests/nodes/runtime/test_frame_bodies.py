"""Data frames as CSV and Arrow, in calls of all runtimes on a compute node."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import nanoarrow as na
import pytest

from tests.nodes.runtime.formats.arrow_streams import arrow_of, cells_of, types_of
from tests.nodes.runtime.realtime.models import DOUBLE, FLOAT, INT64, STRING, echoing
from tests.nodes.runtime.running import Published, RunningNode, processes_below, running_node

CSV, ARROW = "text/csv", "application/vnd.apache.arrow.stream"
FRAME_IN, FRAME_OUT = [("table", "data.frame")], [("answer", "data.frame")]

COLUMNS: dict[str, Any] = {
    "n": [1.5, None, -3.0],
    "i": [1, 2, 3],
    "l": [True, False, True],
    "s": ["x", None, 'é, "q"\n'],
}
AS_CSV = 'n,i,l,s\n1.5,1,true,x\n,2,false,\n-3.0,3,true,"é, ""q""\n"\n'.encode()
AS_ARROW = arrow_of(
    {
        "n": (na.float64(), COLUMNS["n"]),
        "i": (na.uint8(), COLUMNS["i"]),
        "l": (na.bool_(), COLUMNS["l"]),
        "s": (na.string(), COLUMNS["s"]),
    }
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), MLOPS_SHELL_MEMORY_MB="1024") as running:
        yield running


@pytest.fixture(scope="module")
def python(node: RunningNode) -> Published:
    """Answers the very frame, unless told to fail."""
    code = (
        "print('seen')\n"
        "if 'boom' in table: raise ValueError('no such luck')\n"
        "answer = 7 if 'seven' in table else table"
    )
    return node.publish(code, inputs=FRAME_IN, outputs=FRAME_OUT)


@pytest.fixture(scope="module")
def r(node: RunningNode) -> Published:
    """The same in R."""
    code = (
        "if ('boom' %in% names(table)) stop('no such luck')\n"
        "answer <- if ('seven' %in% names(table)) 7 else table"
    )
    return node.publish(code, inputs=FRAME_IN, outputs=FRAME_OUT, runtime="R")


@pytest.fixture(params=["python", pytest.param("r", marks=pytest.mark.r)])
def mirror(request: pytest.FixtureRequest) -> Published:
    """A version that answers the very frame."""
    published: Published = request.getfixturevalue(request.param)
    return published


def post(
    published: Published, body: bytes, content_type: str = "", accept: str = ""
) -> httpx.Response:
    headers = {"content-type": content_type, "accept": accept}
    return published.node.http.post(
        f"/v1/bundles/{published.id}/score",
        content=body,
        headers={name: value for name, value in headers.items() if value},
    )


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["message"])


@pytest.mark.parametrize(("content_type", "body"), [(CSV, AS_CSV), (ARROW, AS_ARROW)])
def test_code_gets_the_same_frame_whatever_it_comes_as(
    mirror: Published, content_type: str, body: bytes
) -> None:
    plain = mirror.score({"table": COLUMNS})
    response = post(mirror, body, content_type)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.json()["success"], response.json()["errorMessage"]
    assert response.json() == plain
    assert plain["outputParameters"]["answer"] == COLUMNS


def test_the_answer_comes_as_arrow_with_the_types_of_its_columns(mirror: Published) -> None:
    response = post(mirror, json.dumps({"table": COLUMNS}).encode(), accept=ARROW)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == ARROW
    assert cells_of(response.content) == COLUMNS
    assert types_of(response.content) == {"n": "DOUBLE", "i": "INT64", "l": "BOOL", "s": "STRING"}


def test_the_answer_comes_as_csv(mirror: Published) -> None:
    response = post(mirror, AS_ARROW, ARROW, f"{CSV}, */*;q=0.1")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.content == AS_CSV


@pytest.mark.parametrize("accept", [CSV, ARROW])
def test_code_that_fails_is_an_error_to_who_takes_no_json(mirror: Published, accept: str) -> None:
    assert "no such luck" in error_of(post(mirror, b"boom\n1\n", CSV, accept), 422)


def test_what_is_no_frame_is_an_error_to_who_takes_no_json(mirror: Published) -> None:
    message = error_of(post(mirror, b"seven\n1\n", CSV, CSV), 422)
    assert "answer is to be a data" in message
    assert post(mirror, b"seven\n1\n", CSV).json()["outputParameters"] == {"answer": 7}


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        (CSV, b"a,b\n1\n", "Row 1"),
        (CSV, b"\xff", "UTF-8"),
        (ARROW, b"ARROW1", "Arrow's IPC format"),
        (ARROW, AS_ARROW[:-200], "Arrow's IPC format"),
        (ARROW, arrow_of({"x": (na.binary(), [b"a"])}), "'x' of the Arrow stream is of the type"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    mirror: Published, content_type: str, body: bytes, said: str
) -> None:
    response = post(mirror, body, content_type)
    assert said in error_of(response, 400)
    assert response.json()["fields"] == "table"
    assert mirror.outputs({"table": {"a": [1]}}) == {"answer": {"a": [1]}}


def test_formats_that_a_version_does_not_fit_are_refused(node: RunningNode) -> None:
    scalars = node.publish(
        "y = x", inputs=[("x", "numeric"), *FRAME_IN], outputs=[("y", "numeric"), *FRAME_OUT]
    )
    assert "x (numeric), table (data.frame)" in error_of(post(scalars, AS_CSV, CSV), 415)
    body = json.dumps({"x": 1, "table": {}}).encode()
    assert "y (numeric), answer" in error_of(post(scalars, body, accept=ARROW), 406)
    answer = post(scalars, body, accept=f"{ARROW}, application/json;q=0.5")
    assert answer.json()["outputParameters"]["y"] == 1
    with_files = node.publish("", outputs=FRAME_OUT, output_files=["a.txt"])
    assert "returns files" in error_of(post(with_files, b"", accept=CSV), 406)


def test_bodies_of_unknown_types_are_read_as_json(python: Published) -> None:
    body = json.dumps({"table": COLUMNS}).encode()
    assert "UTF-8" in error_of(post(python, body, "text/csv; charset=latin1"), 415)
    for careless in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        assert post(python, body, careless).json()["success"]
    assert post(python, body, accept="image/png").json()["success"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, b"f,d,i,s\n1.5,1,7,x\n,2,8,\n"),
        (
            ARROW,
            arrow_of(
                {
                    "f": (na.float64(), [1.5, None]),
                    "d": (na.int32(), [1, 2]),
                    "i": (na.int64(), [7, 8]),
                    "s": (na.string(), ["x", None]),
                }
            ),
        ),
    ],
)
def test_a_realtime_model_takes_and_gives_frames(
    node: RunningNode, content_type: str, body: bytes
) -> None:
    model = node.publish_model(echoing(f=FLOAT, d=DOUBLE, i=INT64, s=STRING))
    frame = {"f": [1.5, None], "d": [1, 2], "i": [7, 8], "s": ["x", None]}
    expected = model.outputs({"inputData": frame})["outputData"]
    assert post(model, body, content_type).json()["outputParameters"]["outputData"] == expected
    assert cells_of(post(model, body, content_type, ARROW).content) == expected
    as_csv = post(model, json.dumps({"inputData": frame}).encode(), accept=CSV).text
    assert as_csv.splitlines() == [",".join(expected), "1.5,1.0,7,x", ",2.0,8,"]
    assert "lacks the column s" in error_of(post(model, b"f,d,i,z\n1,1,1,a\n", CSV, ARROW), 400)


def test_others_are_answered_while_large_bodies_are_read(
    node: RunningNode, mirror: Published
) -> None:
    """Every call is right, and each large one is in time for some small ones to end before it."""
    model = node.publish_model(echoing(x=DOUBLE))
    large = {"x": [number / 7 for number in range(400_000)]}
    calls = [(mirror, "table", "answer"), (model, "inputData", "outputData")]
    for published, name, output in calls:
        body = json.dumps({name: large}).encode()
        n_answered = 0
        with ThreadPoolExecutor(1) as pool, node.client() as client:
            future = pool.submit(published.post, body, client)
            while not future.done():
                assert model.outputs({"inputData": {"x": [2]}})["outputData"] == {"x_out": [2.0]}
                n_answered += 1
            (column,) = future.result().json()["outputParameters"][output].values()
        assert column == large["x"]
        assert n_answered > 0


def test_processes_that_read_bodies_are_replaced_when_they_have_died(node: RunningNode) -> None:
    model = node.publish_model(echoing(x=DOUBLE))
    for _ in range(2):
        assert post(model, b"x\n1\n", CSV, CSV).text == "x_out\n1.0\n"
        for pid in processes_below(node.work_root):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "python-shell\n":
                    os.kill(pid, signal.SIGKILL)
