"""What a run leaves behind is gone before the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell, Run

pytestmark = pytest.mark.r

BUNDLE_FILES = {"data.csv": b"1,2\n", "nested/deep.txt": b"deep"}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    """Runs its input `code` at top level; `y` is what the code assigns to it."""
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        shell.load(
            "eval(parse(text = code), globalenv())",
            init="kept <- 1:3\nmodel <- list(a = 1)\n.hidden <- 'h'\nwriteLines('i', 'init.txt')",
            inputs={"code": "character"},
            outputs={"y": "vector"},
            output_files=["out.bin", "sub/out.txt", "absent.txt"],
            files=BUNDLE_FILES,
        )
        yield shell


def run(shell: RShell, code: str) -> Run:
    run = shell.score(code=code)
    assert run.success, run.error
    assert run.retire == ""
    return run


BASE_NAMES = [".hidden", "code", "kept", "model"]


@pytest.mark.parametrize(
    ("leak", "look", "expected"),
    [
        ("made <- 1; .made <- 2", "ls(all.names = TRUE)", BASE_NAMES),
        ("kept <- 'changed'; .hidden <- 0", "c(kept, .hidden)", ["1", "2", "3", "h"]),
        ("model$a <- 2; kept[2] <- 9L", "c(model$a, kept)", [1, 1, 2, 3]),
        ("(function() model$a <<- 5)()", "model$a", [1]),
        ("rm(list = ls(all.names = TRUE))", "ls(all.names = TRUE)", BASE_NAMES),
        ("lockBinding('kept', globalenv())", "{ kept <- 1; bindingIsLocked('kept', globalenv()) }",
         [False]),
        ("rm(kept); makeActiveBinding('kept', function(v) 'active', globalenv())", "kept",
         [1, 2, 3]),
        ("t <- function(x) 'mine'; c <- 5", "t(matrix(1))[1]", [1]),
        ("options(digits = 3, made.option = 1, OutDec = ',')",
         "c(getOption('digits'), is.null(getOption('made.option')), getOption('OutDec') == '.')",
         [7, 1, 1]),
        ("options(scipen = NULL, warn = 2)", "c(getOption('scipen'), getOption('warn'))", [0, 0]),
        ("Sys.setenv(MADE = 'x', LANG = 'none'); Sys.unsetenv('HOME')",
         "c(Sys.getenv(c('MADE', 'LANG')), nzchar(Sys.getenv('HOME')))", ["", "C.UTF-8", "TRUE"]),
        ("setwd('/')", "list.files()", ["data.csv", "init.txt", "nested"]),
        ("sink('lost.txt')", "sink.number()", [0]),
        ("sink(file('lost.txt', 'w'), type = 'message')", "sink.number('message')", [2]),
        ("con <- file('open.txt', 'w'); cat('x', file = con)", "length(getAllConnections())", [3]),
        ("pdf('plot.pdf'); plot(1)", "names(dev.cur())", ["null device"]),
        ("attach(data.frame(attached = 1))", "exists('attached')", [False]),
        ("set.seed(1); runif(3)", "exists('.Random.seed', globalenv())", [False]),
        ("RNGkind('Wichmann-Hill', 'Box-Muller')", "RNGkind()",
         ["Mersenne-Twister", "Inversion", "Rejection"]),
        ("writeLines('x', tempfile()); writeLines('x', '~/x'); writeLines('x', '../tmp/x')",
         "setdiff(list.files(c(tempdir(), '~', '../tmp')), basename(tempdir()))", []),
        ("unlink(tempdir(), recursive = TRUE)", "dir.exists(tempdir())", [True]),
        ("setTimeLimit(elapsed = 0.2, transient = FALSE)", "{ Sys.sleep(0.3); 1 }", [1]),
        ("closeAllConnections()", "1", [1]),
        ("Sys.umask('777')", "as.character(Sys.umask(NA))", ["22"]),
        ("Rprof('profile.out')", "file.exists('profile.out')", [False]),
    ],
)  # fmt: skip
def test_a_run_leaves_nothing(shell: RShell, leak: str, look: str, expected: list[object]) -> None:
    run(shell, leak)
    assert run(shell, f"y <- {look}").outputs["y"] == expected


def test_an_input_of_one_call_is_not_seen_by_another(tmp_path: Path) -> None:
    with RShell(tmp_path / "one") as one, RShell(tmp_path / "two") as two:
        for shell in (one, two):
            shell.load(
                "seen <- ls(all.names = TRUE)\n"
                "files <- list.files(all.files = TRUE, no.. = TRUE)\n"
                "assign(name, 1)\nwriteLines(name, name)\ncat(name)",
                inputs={"name": "character"},
                outputs={"seen": "vector", "files": "vector"},
            )
        for name in ("a", "b"):
            for shell, label in ((one, name + "1"), (two, name + "2")):
                result = shell.score(name=label)
                assert result.outputs == {"seen": ["name"], "files": []}
                assert result.changed == [label]
                assert result.console == label


def test_random_numbers_differ_from_call_to_call(shell: RShell) -> None:
    draws = [tuple(run(shell, "y <- runif(3)").outputs["y"]) for _ in range(3)]
    assert len(set(draws)) == 3


def test_a_seed_of_the_init_code_holds_for_every_call(tmp_path: Path) -> None:
    with RShell(tmp_path / "shell") as shell:
        shell.load("y <- runif(2)", init="set.seed(42)", outputs={"y": "vector"})
        assert shell.score().outputs == shell.score().outputs


def test_packages_stay_attached_for_the_next_run(shell: RShell) -> None:
    run(shell, "library(MASS)")
    assert run(shell, "y <- 'package:MASS' %in% search()").outputs["y"] == [True]


def test_nothing_of_the_shell_is_in_the_global_environment(shell: RShell) -> None:
    names = run(shell, "y <- ls(globalenv(), all.names = TRUE)").outputs["y"]
    assert names == BASE_NAMES


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("writeLines('new', 'new.txt')", ["new.txt"]),
        ("writeLines('3,4', 'data.csv')", ["data.csv"]),
        ("cat('x', file = 'nested/deep.txt', append = TRUE)", ["nested/deep.txt"]),
        ("dir.create('a/b', recursive = TRUE); writeLines('x', 'a/b/c')", ["a/b/c"]),
        ("writeLines('x', '.hidden')", [".hidden"]),
        ("writeLines('x', 'a b [c]*.txt')", ["a b [c]*.txt"]),
        ("unlink('data.csv')", []),
        ("Sys.chmod('data.csv', '0400')", ["data.csv"]),
        ("con <- file('late.txt', 'w'); cat('x', file = con)", ["late.txt"]),
        ("plot(1:3)", ["Rplot001.png"]),
        ("plot(1); plot(2)", ["Rplot001.png", "Rplot002.png"]),
        ("invisible(readLines('data.csv'))", []),
    ],
)
def test_changed_files_are_named_and_the_directory_restored(
    shell: RShell, code: str, changed: list[str]
) -> None:
    for _ in range(2):
        assert run(shell, code).changed == changed
        assert directory(shell) == {**BUNDLE_FILES, "init.txt": b"i\n"}


@pytest.mark.parametrize(
    "code",
    [
        "unlink(list.files(all.files = TRUE, no.. = TRUE), recursive = TRUE)",
        "unlink('nested', recursive = TRUE); writeLines('a file now', 'nested')",
        "unlink('data.csv'); dir.create('data.csv')",
        "writeLines('j', 'init.txt')",
        "unlink(getwd(), recursive = TRUE)",
        "Sys.setFileTime('data.csv', Sys.time() + 1000)",
    ],
)
def test_a_ravaged_directory_is_put_back(shell: RShell, code: str) -> None:
    run(shell, code)
    assert directory(shell) == {**BUNDLE_FILES, "init.txt": b"i\n"}


def test_a_change_of_the_same_size_right_after_another_call_is_noticed(shell: RShell) -> None:
    for letter in "abcdefghij":
        assert run(shell, f"writeLines('{letter},2', 'data.csv')").changed == ["data.csv"]
        assert directory(shell)["data.csv"] == BUNDLE_FILES["data.csv"]


def test_what_a_link_points_to_is_left_alone(shell: RShell, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    run(shell, f"file.symlink('{tmp_path}', 'link')")
    assert (tmp_path / "precious.txt").read_text() == "keep"
    assert "link" not in directory(shell)


def test_declared_files_come_as_base64_and_missing_ones_are_absent(shell: RShell) -> None:
    files = run(
        shell,
        "writeBin(as.raw(0:255), 'out.bin'); dir.create('sub'); cat('hi', file = 'sub/out.txt')",
    ).files
    assert files["sub/out.txt"] == "aGk="
    assert len(files["out.bin"]) == 344
    assert list(files) == ["out.bin", "sub/out.txt"]


def test_changed_files_are_named_after_a_failure_too(shell: RShell) -> None:
    failed = shell.score(code="writeLines('x', 'half.txt'); stop('no')")
    assert (failed.success, failed.changed, failed.files) == (False, ["half.txt"], {})


def test_plots_without_a_device_are_400_pixels_wide_and_high(shell: RShell) -> None:
    look = (
        "plot(1); dev.off(); y <- as.integer(readBin('Rplot001.png', 'raw', 24)[c(19:20, 23:24)])"
    )
    assert run(shell, look).outputs["y"] == [1, 144, 1, 144]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("lockEnvironment(globalenv())", "locked environment"),
        ("Sys.setlocale('LC_TIME', 'C')", "locale"),
        ("detach('package:datasets')", "detached"),
    ],
)
def test_a_shell_that_cannot_be_restored_says_so(tmp_path: Path, code: str, reason: str) -> None:
    with RShell(tmp_path / "shell") as shell:
        shell.load(f"y <- 1\ninvisible({code})", outputs={"y": "numeric"})
        result = shell.score()
        assert (result.success, result.outputs) == (True, {"y": 1})
        assert reason in result.retire


def test_a_fork_that_runs_past_the_code_does_not_answer(tmp_path: Path) -> None:
    with RShell(tmp_path / "shell") as shell:
        shell.load(
            "child <- parallel:::mcfork()\ny <- if (inherits(child, 'masterProcess')) 1 else 2",
            outputs={"y": "numeric"},
        )
        assert shell.score().outputs == {"y": 2}
        assert shell.ask("ping") == {"ok": True}


def directory(shell: RShell) -> dict[str, bytes]:
    """All files in the working directory with their content."""
    return {
        str(path.relative_to(shell.work)): path.read_bytes()
        for path in sorted(shell.work.rglob("*"))
        if path.is_file() or path.is_symlink()
    }
