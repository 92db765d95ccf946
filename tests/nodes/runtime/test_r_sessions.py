"""R sessions through a whole compute node: code, console, cancel, plots, packages."""

import struct
from collections.abc import Iterator

import pytest

from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.r_packages import source_package
from tests.nodes.runtime.running import RunningNode, running_node

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that has R."""
    with running_node(tmp_path_factory.mktemp("node"), MLOPS_POOL_MAX_SIZE="4") as running:
        yield running


@pytest.fixture(scope="module")
def shared(node: RunningNode) -> Iterator[OpenSession]:
    """A session for all tests of the module."""
    with open_session(node, "R") as session:
        yield session


@pytest.fixture(scope="module")
def equipped(node: RunningNode) -> Iterator[OpenSession]:
    """A session that has installed the package `tiny`."""
    with open_session(node, "R") as session:
        session.put_file("tiny.tar.gz", source_package("tiny", "answer <- function() 42"))
        result = session.execute("install.packages('tiny.tar.gz', repos = NULL)")
        assert result["success"], result
        assert "* DONE (tiny)" in result["consoleOutput"]
        assert result["changedFiles"] == []
        session.delete_file("tiny.tar.gz")
        yield session


def test_values_go_in_and_out_by_inference_and_the_console_shows_what_the_prompt_would(
    shared: OpenSession,
) -> None:
    result = shared.execute(
        "total <- colSums(frame)\nturned <- t(rows)\nwriteLines('x', 'made.txt')\nclass(frame)",
        inputs={"frame": {"a": [1, 2], "b": [0.5, float("nan")]}, "rows": [[1, 2], [3, 4]]},
        outputs=["total", "turned", "frame"],
    )
    assert result == {
        "success": True,
        "errorMessage": "",
        "outputParameters": [
            {"name": "total", "value": [3, None]},
            {"name": "turned", "value": [[1, 3], [2, 4]]},
            {"name": "frame", "value": {"a": [1, 2], "b": [0.5, None]}},
        ],
        "consoleOutput": '[1] "data.frame"\n',
        "changedFiles": ["made.txt"],
    }


def test_code_that_fails_says_why_and_its_objects_stay(shared: OpenSession) -> None:
    result = shared.execute("kept <- 5\nstop('boom')", outputs=["kept"])
    assert (result["success"], result["outputParameters"]) == (False, [])
    assert result["errorMessage"].startswith("Error: boom")
    assert result["consoleOutput"] == "Error: boom\n"
    assert shared.run("", outputs=["kept"]) == {"kept": 5}


def test_code_is_watched_live_and_cancelled_and_the_session_keeps_its_objects(
    shared: OpenSession,
) -> None:
    code = "n <- 0\nrepeat { n <- n + 1; cat(n, '\\n'); Sys.sleep(0.05) }"
    running = shared.start(code, until="3 \n")
    assert shared.console().startswith("1 \n2 \n3 \n")
    assert shared.history()[-1] == code
    shared.cancel()
    result = running.result()
    assert (result["success"], result["errorMessage"]) == (False, "The execution was cancelled.")
    assert result["consoleOutput"].startswith("1 \n2 \n3 \n")
    assert shared.run("more <- n + 1", outputs=["more"])["more"] > 3


def test_a_plot_is_a_file_of_the_session(shared: OpenSession) -> None:
    assert shared.execute("plot(1:3)")["changedFiles"] == ["Rplot001.png"]
    assert "Rplot001.png" in shared.files()
    data = shared.get_file("Rplot001.png").content
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (400, 400)


def test_an_installed_package_is_no_file_of_the_user_and_nobody_elses(
    shared: OpenSession, equipped: OpenSession
) -> None:
    assert equipped.printed("tiny::answer()") == "[1] 42\n"
    assert equipped.files() == []
    assert equipped.get_file(".library/tiny/DESCRIPTION").status_code == 404
    code = "found <- requireNamespace('tiny', quietly = TRUE)"
    assert shared.run(code, outputs=["found"]) == {"found": False}


def test_a_snapshot_takes_packages_into_another_session_and_into_a_service(
    node: RunningNode, equipped: OpenSession
) -> None:
    only_packages = equipped.snapshot()
    equipped.run("box <- tiny::answer")
    snapshot = equipped.snapshot()
    for content, code in ((only_packages, "tiny::answer()"), (snapshot, "box()")):
        with open_session(node, "R") as other:
            assert other.load(content).status_code == 200
            assert other.printed(code) == "[1] 42\n"
            assert other.files() == []
    service = node.publish(
        "library(tiny)\ny <- answer() + box()",
        runtime="R",
        outputs=[("y", "numeric")],
        payload=snapshot,
    )
    result = service.score()
    assert (result["outputParameters"], result["changedFiles"]) == ({"y": 84}, [])
    assert service.outputs() == {"y": 84}
