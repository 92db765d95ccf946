import json
import logging
from typing import Any

import pytest
from pytest_django import Settings

from mlops.accounts.models import AuditEntry, User
from mlops.blobs.models import Blob
from mlops.errors import Busy, Forbidden, InvalidRequest, NodeTimeout, NotFound, Stopping
from nodes.actions import declare_node
from services.actions.test_run import TestRun, error_place
from services.actions.test_run import test_run as run_before_publishing
from services.schema import Definition, Parameter
from services.staged import StagedFile
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode
from tests.services.create import published
from tests.services.staging import stage, staged

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


def run(user: User, code: str, **more: Any) -> TestRun:
    options = {name: more.pop(name) for name in ("files", "inputs", "cancelled") if name in more}
    definition = Definition(code=code, **{"runtime_type": "Python", **more})
    return run_before_publishing(
        user=user,
        definition=definition,
        **{"files": [], "inputs": {}, "correlation_id": "c", **options},
    )


X: dict[str, Any] = {
    "inputs": [Parameter("x", "numeric")],
    "outputs": [Parameter("y", "numeric")],
}


def test_it_runs_as_the_version_would_and_leaves_nothing(
    alice: User, declared_node: RunningNode
) -> None:
    file = staged(alice, "rate.txt", b"2.5")
    before, blobs = published(), Blob.objects.count()
    definition = Definition(
        code="print('scoring')\ny = x * RATE",
        init_code="RATE = float(open('rate.txt').read())",
        inputs=[Parameter("x", "numeric")],
        outputs=[Parameter("y", "numeric")],
        runtime_type="Python",
        output_files=["out.txt"],
    )
    tried = run_before_publishing(
        user=alice, definition=definition, files=[file], inputs={"x": 2}, correlation_id="c"
    )
    assert (tried.success, tried.error) == (True, "")
    assert tried.outputs == {"y": 5.0}
    assert tried.console == "scoring\n"
    assert tried.node == f"{declared_node.address}/"
    assert published() == before
    assert Blob.objects.count() == blobs
    assert not AuditEntry.objects.filter(action="publish version").exists()


def test_it_tells_where_the_time_goes(alice: User, declared_node: RunningNode) -> None:
    first = run(alice, "y = 'timed'").timings
    assert min(first["send"], first["load"], first["run"]) > 0
    again = run(alice, "y = 'timed'").timings
    assert again["send"] == 0


def test_the_log_of_actions_says_who_ran_something(
    alice: User,
    declared_node: RunningNode,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("mlops.actions"), "propagate", True)
    caplog.set_level(logging.INFO, "mlops.actions")
    run(alice, "y = 'secret code'")
    (line,) = {each.getMessage() for each in caplog.records if each.name == "mlops.actions"}
    said = json.loads(line)["Subject"]
    assert (said["Operation"], said["UserPrincipalName"]) == ("TEST RUN", "alice")
    assert "secret" not in line


def test_files_that_it_writes_are_told(alice: User, declared_node: RunningNode) -> None:
    tried = run(alice, "open('plot.png', 'w').write('x')", output_files=["plot.png"])
    assert tried.changed_files == ["plot.png"]
    assert tried.output_files == {"plot.png": "eA=="}


@pytest.mark.parametrize(
    ("code", "init_code", "part", "line"),
    [
        ("y = 1\ny = 1 / 0", None, "code", 2),
        ("y = 1\n\ny = (", None, "code", 3),
        ("y = 1", "import json\njson.loads('{')", "init_code", 2),
        ("y = 1", "a =", "init_code", 1),
        ("y = f()", "def f():\n    return [][1]\n", "init_code", 2),
        ("raise SystemExit(3)", None, "code", 1),
    ],
)
def test_an_error_of_python_names_its_line(
    alice: User, declared_node: RunningNode, code: str, init_code: str | None, part: str, line: int
) -> None:
    tried = run(alice, code, init_code=init_code)
    assert not tried.success
    assert (tried.error_part, tried.error_line) == (part, line), tried.error


@pytest.mark.r
@pytest.mark.parametrize(
    ("code", "init_code", "part", "line"),
    [
        ("y <- 1\nstop('no')", None, "code", 2),
        ("y <- 1\n\ny <- (1 + ", None, "code", 4),
        ("y <- 1\ny <- 2 2", None, "code", 2),
        ("y <- 1", "a <- 1\nlibrary(nosuchpackage)", "init_code", 2),
        ("y <- 1", "a <- )", "init_code", 1),
        ("y <- f()", "f <- function() {\n  log(-1)\n  stop('x')\n}", "init_code", 3),
        ("f <- function() {\n  sqrt('a')\n}\ny <- f()", None, "code", 2),
    ],
)
def test_an_error_of_r_names_its_line(
    alice: User, declared_node: RunningNode, code: str, init_code: str | None, part: str, line: int
) -> None:
    tried = run(alice, code, init_code=init_code, runtime_type="R")
    assert not tried.success
    assert (tried.error_part, tried.error_line) == (part, line), tried.error


@pytest.mark.r
def test_r_runs_with_its_console(alice: User, declared_node: RunningNode) -> None:
    tried = run_before_publishing(
        user=alice,
        definition=Definition(code="cat('hello\\n')\ny <- x + 1", runtime_type="R", **X),
        files=[],
        inputs={"x": 1},
        correlation_id="c",
    )
    assert tried.outputs == {"y": 2}
    assert tried.console == "hello\n"


def test_an_error_elsewhere_names_no_line() -> None:
    assert error_place("Output y (numeric) cannot be represented in JSON.") == ("", None)


def test_a_model_runs_as_well(alice: User, declared_node: RunningNode) -> None:
    tried = run_before_publishing(
        user=alice,
        definition=Definition(runtime_type="Realtime"),
        files=[staged(alice, "adding.onnx", adding(2.0))],
        inputs={"inputData": {"x": [1.0]}},
        correlation_id="c",
    )
    assert tried.success
    assert tried.outputs == {"outputData": {"y": [3.0]}}


def test_a_model_is_checked_before_a_node_has_it(alice: User) -> None:
    with pytest.raises(InvalidRequest, match="no ONNX model"):
        run_before_publishing(
            user=alice,
            definition=Definition(runtime_type="Realtime"),
            files=[staged(alice, "x.onnx", b"not a model")],
            inputs={},
            correlation_id="c",
        )


def test_inputs_that_do_not_fit_are_refused(alice: User, declared_node: RunningNode) -> None:
    with pytest.raises(InvalidRequest, match="x"):
        run_before_publishing(
            user=alice,
            definition=Definition(code="y = x", runtime_type="Python", **X),
            files=[],
            inputs={"x": "text"},
            correlation_id="c",
        )


def test_without_code_there_is_nothing_to_run(alice: User) -> None:
    with pytest.raises(InvalidRequest, match="no code"):
        run_before_publishing(
            user=alice,
            definition=Definition(runtime_type="Python"),
            files=[],
            inputs={},
            correlation_id="c",
        )


def test_without_a_node_it_says_so(alice: User) -> None:
    with pytest.raises(Busy, match="No compute node is ready"):
        run(alice, "y = 1")


def test_a_node_that_is_down_is_passed_over(alice: User, declared_node: RunningNode) -> None:
    declare_node(uri="http://127.0.0.1:1/")
    for number in range(6):
        assert run(alice, f"y = {number}").success


def test_a_run_that_never_ends_is_stopped(
    alice: User, declared_node: RunningNode, settings: Settings
) -> None:
    settings.TEST_RUN_SECONDS = 1
    with pytest.raises(NodeTimeout, match="did not end within 1 seconds"):
        run(alice, "while True: pass")


def test_who_cancels_it_waits_no_longer(alice: User, declared_node: RunningNode) -> None:
    with pytest.raises(Stopping):
        run(alice, "while True: pass", cancelled=lambda: True)


def test_readers_run_nothing(rita: User, declared_node: RunningNode) -> None:
    with pytest.raises(Forbidden):
        run(rita, "y = 1")


def test_somebody_elses_upload_is_unknown(alice: User, bob: User) -> None:
    file = StagedFile("m.txt", str(stage(bob, "m.txt", b"secret").pk))
    with pytest.raises(NotFound):
        run(alice, "y = open('m.txt').read()", files=[file])


@pytest.mark.parametrize("name", ["../m", "/m", ".packages/x", ".dill", "a/../b"])
def test_a_file_stays_in_the_working_directory(alice: User, name: str) -> None:
    upload = stage(alice, "m.txt", b"x")
    with pytest.raises(InvalidRequest):
        run(alice, "y = 1", files=[StagedFile(name, str(upload.pk))])
