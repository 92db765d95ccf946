"""Loading a bundle: files, objects, init code, in that order (wire-api section 11)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell, run_r

pytestmark = pytest.mark.r


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[RShell]:
    with RShell(tmp_path / "shell") as shell:
        yield shell


def saved(tmp_path: Path, script: str) -> bytes:
    """The .RData that `script` saves to the path `file`."""
    path = tmp_path / "saved.RData"
    run_r(f"file <- commandArgs(TRUE); {script}", str(path))
    return path.read_bytes()


def test_files_lie_in_the_working_directory_and_the_workspace_does_not(
    shell: RShell, tmp_path: Path
) -> None:
    workspace = saved(tmp_path, "x <- 1; save(x, file = file)")
    shell.load(
        "y <- list.files(all.files = TRUE, no.. = TRUE, recursive = TRUE)",
        files={".RData": workspace, "a.txt": b"a", "b/c.txt": b"c", ".dot": b"d"},
        outputs={"y": "vector"},
    )
    assert sorted(shell.score().outputs["y"]) == [".dot", "a.txt", "b/c.txt"]


def test_objects_are_there_for_the_init_code_and_its_results_for_the_code(
    shell: RShell, tmp_path: Path
) -> None:
    workspace = saved(tmp_path, "x <- 1; .h <- 2; save(x, .h, file = file)")
    shell.load(
        "y <- double_of(x) + .h + from_file",
        init="double_of <- function(v) 2 * v\nfrom_file <- scan('n.txt', quiet = TRUE)",
        files={".RData": workspace, "n.txt": b"10"},
        outputs={"y": "numeric"},
    )
    assert shell.score().outputs == {"y": 14}


def test_functions_of_the_init_code_see_the_inputs_of_the_call(shell: RShell) -> None:
    shell.load(
        "y <- f()", init="f <- function() x + 1", inputs={"x": "numeric"}, outputs={"y": "numeric"}
    )
    assert [shell.score(x=x).outputs["y"] for x in (1, 2)] == [2, 3]


def test_active_bindings_of_the_init_code_stay_active(shell: RShell) -> None:
    shell.load(
        "y <- twice",
        init="makeActiveBinding('twice', function() 2 * x, globalenv())",
        inputs={"x": "numeric"},
        outputs={"y": "numeric"},
    )
    assert [shell.score(x=x).outputs["y"] for x in (1, 2, 3)] == [2, 4, 6]


def test_the_init_code_runs_once(shell: RShell) -> None:
    shell.load("y <- 1", init="cat('init\\n')")
    assert shell.console() == "init\n"
    assert shell.score().console == ""


def test_a_failure_of_the_init_code_is_told_with_its_line(shell: RShell) -> None:
    refused = shell.load("y <- 1", init="x <- 1\nstop('not today')")
    assert refused == {
        "ok": False,
        "message": "Error: not today\n  <initCode>, line 2: stop('not today')",
    }


def test_a_workspace_that_is_none_is_refused(shell: RShell) -> None:
    refused = shell.load("y <- 1", files={".RData": b"nonsense"})
    assert refused["ok"] is False
    assert ".RData" in refused["message"]


def test_a_damaged_workspace_is_refused(shell: RShell, tmp_path: Path) -> None:
    workspace = saved(tmp_path, "x <- runif(1e4); save(x, file = file)")
    assert shell.load("y <- 1", files={".RData": workspace[:2000]})["ok"] is False


def test_a_random_seed_saved_along_does_not_make_all_calls_draw_the_same(
    shell: RShell, tmp_path: Path
) -> None:
    workspace = saved(tmp_path, "set.seed(1); x <- 1; save.image(file)")
    shell.load("y <- runif(2)", files={".RData": workspace}, outputs={"y": "vector"})
    assert shell.score().outputs != shell.score().outputs


def test_code_and_init_code_may_hold_any_character(shell: RShell) -> None:
    shell.load("y <- paste0(x, 'ü€😀')", init="x <- 'ñ'", outputs={"y": "character"})
    assert shell.score().outputs == {"y": "ñü€😀"}


def test_empty_code_is_code(shell: RShell) -> None:
    shell.load("", init="y <- 5", outputs={"y": "numeric"})
    assert shell.score().outputs == {"y": 5}


def test_a_call_without_inputs_may_have_no_body(shell: RShell) -> None:
    shell.load("y <- 1", outputs={"y": "numeric"})
    assert shell.score_bytes(b"").outputs == {"y": 1}
