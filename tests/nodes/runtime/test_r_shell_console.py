"""The console of a run: what the prompt of R would show."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell

pytestmark = pytest.mark.r


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[RShell]:
    with RShell(tmp_path / "shell") as shell:
        yield shell


def console(shell: RShell, code: str, init: str | None = None) -> str:
    assert shell.load(code, init=init)["ok"]
    run = shell.score()
    assert run.success, run.error
    return run.console


def test_visible_values_are_printed_and_assignments_are_not(shell: RShell) -> None:
    assert console(shell, "x <- 1\nx + 1\n'a'\ninvisible(3)\n(y <- 4)") == '[1] 2\n[1] "a"\n[1] 4\n'


def test_values_are_printed_by_the_methods_that_the_code_defines(shell: RShell) -> None:
    code = "print.box <- function(x, ...) cat('a box\\n')\nstructure(1, class = 'box')"
    assert console(shell, code) == "a box\n"


def test_s4_objects_are_shown_by_their_method(shell: RShell) -> None:
    code = (
        "setClass('Box', representation(n = 'numeric'))\n"
        "setMethod('show', 'Box', function(object) cat('box of', object@n, '\\n'))\n"
        "new('Box', n = 2)"
    )
    assert console(shell, code) == "box of 2 \n"


def test_prints_messages_and_children_arrive_in_order(shell: RShell) -> None:
    code = "print(1)\nmessage('two')\ninvisible(system('echo three'))\ncat('four\\n')"
    assert console(shell, code) == "[1] 1\ntwo\nthree\nfour\n"


def test_warnings_follow_their_statement_with_their_call(shell: RShell) -> None:
    code = "f <- function(x) { warning('odd'); x }\nf(1)\ncat('next\\n')"
    assert console(shell, code) == "[1] 1\nWarning message:\nIn f(1) : odd\nnext\n"


def test_several_warnings_are_numbered(shell: RShell) -> None:
    code = "for (i in 1:2) warning('w', i)"
    assert console(shell, code) == "Warning messages:\n1: w1\n2: w2\n"


def test_many_warnings_are_counted(shell: RShell) -> None:
    code = "for (i in 1:60) warning('w', i)\nlength(warnings())"
    expected = "There were 60 warnings (use warnings() to see them)\n[1] 50\n"
    assert console(shell, code) == expected


def test_warnings_come_at_once_when_the_code_asks_for_that(shell: RShell) -> None:
    code = "options(warn = 1)\nf <- function() { warning('now'); cat('then\\n') }\nf()"
    assert console(shell, code) == "Warning in f() : now\nthen\n"


def test_warnings_before_an_error_are_not_lost(shell: RShell) -> None:
    shell.load("f <- function() { warning('w'); stop('e') }\nf()")
    text = shell.score().console
    assert text.startswith("Error in f() : e\n")
    assert text.endswith("In addition: Warning message:\nIn f() : w\n")


def test_warnings_of_one_run_are_not_seen_by_the_next(shell: RShell) -> None:
    shell.load(
        "if (warn) warning('secret')\nn <- length(warnings())",
        inputs={"warn": "logical"},
        outputs={"n": "integer"},
    )
    assert "secret" in shell.score(warn=True).console
    assert "secret" not in shell.score(warn=False).console
    assert shell.score(warn=False).outputs == {"n": 0}


def test_the_top_level_is_the_global_environment(shell: RShell) -> None:
    code = "identical(parent.frame(), globalenv())\nidentical(environment(), globalenv())"
    assert console(shell, code) == "[1] TRUE\n[1] TRUE\n"


def test_windows_line_ends_are_line_ends(shell: RShell) -> None:
    assert console(shell, "x <- 1\r\nx\r\n") == "[1] 1\n"


def test_code_that_asks_a_person_gets_no_answer(shell: RShell) -> None:
    assert console(shell, "readline('name? ')\nreadLines('stdin')").endswith("character(0)\n")
