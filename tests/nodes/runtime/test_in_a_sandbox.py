"""What shells are for works in a sandbox as it does without, for both languages."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.runtime.isolated_nodes import isolated_node
from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode, wait_until, zip_of

NUMERIC_Y = [("y", "numeric")]


@pytest.fixture(scope="module", params=["sandbox", "sandbox of a user", "user"])
def isolated(request: pytest.FixtureRequest) -> Iterator[RunningNode]:
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as directory,
        isolated_node(request.param, Path(directory)) as node,
    ):
        wait_until(lambda: node.health("R")["currentPoolSize"])
        yield node


@pytest.fixture(params=["Python", "R"])
def session(isolated: RunningNode, request: pytest.FixtureRequest) -> Iterator[OpenSession]:
    with open_session(isolated, request.param) as session:
        yield session


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("Python", "y = 2 * x + float(open('given.txt').read())\nopen('made.txt', 'w').write('m')"),
        ("R", "y <- 2 * x + as.numeric(readLines('given.txt'))\nwriteLines('m', 'made.txt')"),
    ],
)
def test_a_service_computes_reads_its_files_and_gives_back_others(
    isolated: RunningNode, runtime: str, code: str
) -> None:
    service = isolated.publish(
        code,
        runtime=runtime,
        inputs=[("x", "numeric")],
        outputs=NUMERIC_Y,
        output_files=["made.txt"],
        payload=zip_of({"given.txt": b"1\n"}),
    )
    for _ in range(3):
        result = service.score({"x": 3})
        assert result["outputParameters"] == {"y": 7}
        assert list(result["outputFiles"]) == ["made.txt"]


def test_a_session_takes_gives_and_forgets_files(session: OpenSession) -> None:
    assert session.put_file("folder/in.txt", b"hello").status_code == 200
    session.run(
        "open('folder/out.txt', 'w').write(open('folder/in.txt').read())"
        if session.runtime == "Python"
        else "invisible(file.copy('folder/in.txt', 'folder/out.txt'))"
    )
    assert session.get_file("folder/out.txt").content == b"hello"
    assert session.delete_file("folder/in.txt").status_code == 200
    assert session.files() == ["folder/out.txt"]


def test_a_session_gives_its_objects_and_takes_them_back(session: OpenSession) -> None:
    session.run("kept = [1, 2]" if session.runtime == "Python" else "kept <- c(1, 2)")
    data = session.get("kept").content
    assert session.put_bytes("other", data).status_code == 200
    assert set(session.names()) >= {"kept"}


def test_a_snapshot_holds_all_of_a_session_and_brings_it_back(session: OpenSession) -> None:
    is_python = session.runtime == "Python"
    session.run("kept = 42" if is_python else "kept <- 42")
    assert session.put_file("folder/file.txt", b"x").status_code == 200
    snapshot = session.node.http.post(f"{session.path}/snapshot").content
    with open_session(session.node, session.runtime) as other:
        answer = session.node.http.put(f"{other.path}/snapshot", content=snapshot)
        assert answer.status_code == 200, answer.text
        assert other.run("", outputs=["kept"])["kept"] == 42
        assert other.get_file("folder/file.txt").content == b"x"


def test_code_that_runs_is_interrupted(session: OpenSession) -> None:
    begin = "print('begun', flush=True)" if session.runtime == "Python" else "cat('begun\\n')"
    wait = "import time; time.sleep(60)" if session.runtime == "Python" else "Sys.sleep(60)"
    running = session.start(f"{begin}\n{wait}")
    session.cancel()
    assert running.result(30)["success"] is False
    session.run("1")


def test_programs_can_be_called(session: OpenSession) -> None:
    code = (
        "import subprocess\ntext = subprocess.check_output(['echo', 'hi'], text=True)"
        if session.runtime == "Python"
        else "text <- system('echo hi', intern = TRUE)"
    )
    assert session.run(code, outputs=["text"])["text"].strip() == "hi"


def test_processes_of_several_can_work_together(isolated: RunningNode) -> None:
    code = (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "import math, multiprocessing\n"
        "with ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as pool:\n"
        "    y = sum(pool.map(math.sqrt, [1, 4, 9]))"
    )
    assert isolated.publish(code, outputs=NUMERIC_Y).outputs() == {"y": 6}
