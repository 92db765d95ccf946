"""What user code does wrong, told to the caller; the shell goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell

pytestmark = pytest.mark.r


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[RShell]:
    with RShell(tmp_path / "shell") as shell:
        yield shell


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    """Runs its input `code`, all in one shell."""
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        shell.load(
            "y <- eval(parse(text = code))", inputs={"code": "character"}, outputs={"y": "numeric"}
        )
        yield shell


def test_an_error_names_its_call_and_the_lines_that_led_there(shell: RShell) -> None:
    shell.load(
        "half <- function(x) {\n"
        "  if (x < 0) {\n"
        "    stop('negative: ', x)\n"
        "  }\n"
        "  x / 2\n"
        "}\n"
        "ys <- sapply(c(4, -1), function(x) {\n"
        "  half(x)\n"
        "})\n"
    )
    assert shell.score().error == (
        "Error in half(x) : negative: -1\n"
        "  <code>, line 7: ys <- sapply(c(4, -1), function(x) {\n"
        "  <code>, line 8: half(x)\n"
        "  <code>, line 3: stop('negative: ', x)"
    )


def test_an_error_at_top_level_has_no_call(shell: RShell) -> None:
    shell.load("x <- 1\nstop('enough')")
    assert shell.score().error == "Error: enough\n  <code>, line 2: stop('enough')"


def test_an_error_of_r_itself_has_the_line_too(shell: RShell) -> None:
    shell.load("\n\nlog('a')")
    assert shell.score().error == (
        'Error in log("a") : non-numeric argument to mathematical function\n'
        "  <code>, line 3: log('a')"
    )


def test_an_error_in_a_function_of_the_init_code_has_its_line_there(shell: RShell) -> None:
    shell.load("f()", init="f <- function() {\n  stop('inner')\n}")
    assert shell.score().error == (
        "Error in f() : inner\n  <code>, line 1: f()\n  <initCode>, line 2: stop('inner')"
    )


def test_a_long_way_to_the_error_is_shortened(shell: RShell) -> None:
    shell.load("f <- function(n) {\n  if (n == 0)\n    stop('deep') else\n    f(n - 1)\n}\nf(50)\n")
    lines = shell.score().error.splitlines()
    assert lines[0] == "Error in f(n - 1) : deep"
    assert len(lines) < 20


def test_nothing_of_the_shell_itself_shows_in_an_error(shell: RShell) -> None:
    shell.load("f <- function() stop('x')\nf()")
    assert "run_" not in shell.score().error
    assert "tryCatch" not in shell.score().error


def test_statements_after_the_error_do_not_run(shell: RShell) -> None:
    shell.load("cat('before\\n')\nstop('here')\ncat('after\\n')")
    console = shell.score().console
    assert "before" in console
    assert "after" not in console


def test_an_error_the_code_handles_is_none(shell: RShell) -> None:
    shell.load("y <- tryCatch(stop('x'), error = function(e) 5)", outputs={"y": "numeric"})
    assert shell.score().outputs == {"y": 5}


def test_the_error_is_on_the_console_as_well(shell: RShell) -> None:
    shell.load("stop('seen')")
    assert "Error: seen" in shell.score().console


def test_code_that_cannot_be_parsed_fails_every_run(shell: RShell) -> None:
    assert shell.load("x <- 1\ny <- (2") == {"ok": True}
    for _ in range(2):
        run = shell.score()
        assert run.success is False
        assert run.error.startswith("<code>:3:0: unexpected end of input")


def test_init_code_that_cannot_be_parsed_is_refused(shell: RShell) -> None:
    refused = shell.load("x <- 1", init="y <- (2")
    assert refused["ok"] is False
    assert "<initCode>:2:0: unexpected end of input" in refused["message"]


def test_an_output_whose_value_cannot_be_had_fails(shell: RShell) -> None:
    shell.load("delayedAssign('y', stop('no value'))", outputs={"y": "numeric"})
    run = shell.score()
    assert run.success is False
    assert "no value" in run.error


@pytest.mark.parametrize(
    "code", ["quit()", "q('no', 3)", "base::quit()", "browser()", "help(lm)", "utils::help('lm')"]
)
def test_functions_for_people_at_a_prompt_fail_with_a_clear_text(runner: RShell, code: str) -> None:
    run = runner.score(code=code)
    assert run.success is False
    assert "cannot be used in code that runs on a server" in run.error
    assert runner.score(code="1").outputs == {"y": 1}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("f <- function() f(); f()", "too close to the limit"),
        ("f <- function(n) 1 + g(n); g <- function(n) f(n + 1); options(expressions = 500); f(1)",
         "evaluation nested too deeply"),
        ("numeric(1e13)", "cannot allocate vector"),
        ("setTimeLimit(elapsed = 0.01); repeat {}", "reached elapsed time limit"),
        ("stop(structure(class = c('odd', 'condition'), list(message = 'm', call = NULL)))",
         "jumped to the top level"),
        ("invokeRestart('abort')", "jumped to the top level"),
        ("warning(1); options(warn = 2); warning('now')", "(converted from warning) now"),
        ("stop(structure(class = c('bad', 'error', 'condition'), list(message = NULL)))", "Error"),
    ],
)  # fmt: skip
def test_extreme_ends_are_answered_and_the_shell_goes_on(
    runner: RShell, code: str, text: str
) -> None:
    run = runner.score(code=code)
    assert run.success is False
    assert text in run.error
    assert runner.score(code="1").outputs == {"y": 1}


def test_a_message_without_end_is_cut(runner: RShell) -> None:
    assert len(runner.score(code="stop(simpleError(strrep('x', 1e6)))").error) == 16000
