"""Code in an R session: run as at the prompt, its values in and out, its state kept."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .r_shells import OUTPUTS_MAX_BYTES, RShell

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        yield shell


@pytest.fixture
def session(shared: RShell) -> RShell:
    """A session without objects, without files, with R's own options."""
    assert shared.execute(
        "options(warn = 0); setwd(sub('/work/.*', '/work', getwd()))\n"
        "unlink(list.files(), recursive = TRUE); rm(list = ls(all.names = TRUE))"
    ).success
    return shared


def test_objects_of_one_call_are_there_in_the_next(session: RShell) -> None:
    session.execute("x <- 20\nf <- function(n) n + x")
    assert session.execute("f(1)").console == "[1] 21\n"
    assert session.ask("list_objects")["objects"] == ["f", "x"]


def test_every_visible_value_is_printed_as_at_the_prompt(session: RShell) -> None:
    code = (
        "x <- 1\nx + 1\ninvisible(3)\n(y <- 4)\nNULL\n"
        "setClass('Box', representation(n = 'numeric'))\n"
        "setMethod('show', 'Box', function(object) cat('box of', object@n, '\\n'))\n"
        "new('Box', n = 2)\nprint.numeric <- function(x) cat('never\\n')\n5"
    )
    assert session.execute(code).console == "[1] 2\n[1] 4\nNULL\nbox of 2 \n[1] 5\n"


def test_the_last_value_is_at_hand(session: RShell) -> None:
    session.execute("6 * 7")
    assert session.execute(".Last.value + 1").console == "[1] 43\n"


def test_a_syntax_error_runs_nothing_and_tells_its_place(session: RShell) -> None:
    run = session.execute("cat('never')\ny <- 1\nx +* 2", x=1)
    assert not run.success
    assert run.error == "<code>:3:4: unexpected '*'\n2: y <- 1\n3: x +*\n      ^"
    assert run.console == f"Error: {run.error}\n"
    assert session.ask("list_objects")["objects"] == []


def test_what_stands_before_an_error_stays(session: RShell) -> None:
    run = session.execute(
        "f <- function() {\n  warning('odd')\n  stop('boom')\n}\nx <- 1\nf()\ny <- 2"
    )
    assert not run.success
    assert run.error.startswith("Error in f() : boom\n  <code>, line 6: f()\n")
    assert run.console == "Error in f() : boom\nIn addition: Warning message:\nIn f() : odd\n"
    assert session.ask("list_objects")["objects"] == ["f", "x"]


def test_outputs_are_not_read_after_an_error(session: RShell) -> None:
    assert session.execute("x <- 1\nstop('no')", "x").outputs == {}


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (3, "3L"),
        (1.5, "1.5"),
        (12345678901, "12345678901"),
        (0.1 + 0.2, "0.30000000000000004"),
        (True, "TRUE"),
        ("naïve \u2603 \"q\"", "\"naïve \u2603 \\\"q\\\"\""),
        (None, "NA"),
        ([1, None, 3], "c(1L, NA, 3L)"),
        ([1], "1L"),
        (["a", None], 'c("a", NA)'),
        ([], "logical(0)"),
        ([[1, 2, 3], [4, 5, None]], "structure(c(1L, 4L, 2L, 5L, 3L, NA), dim = 2:3)"),
        ([[1], [2, 3]], "list(1L, 2:3)"),
        (
            {"n": [1, 2], "s": ["a", None]},
            'structure(list(n = 1:2, s = c("a", NA)), row.names = 1:2, class = "data.frame")',
        ),
        ({"n": 1, "s": [1, 2]}, "list(n = 1L, s = 1:2)"),
        ({"n": [1], "s": [1, 2]}, "list(n = 1L, s = 1:2)"),
        ([{"a": 1}, "b"], 'list(list(a = 1L), "b")'),
        ({}, "structure(list(), names = character(0))"),
    ],
)  # fmt: skip
def test_inputs_get_the_type_that_fits_them(session: RShell, value: Any, seen: str) -> None:
    run = session.execute(f"same <- identical(x, {seen})\ndput(x)", "same", x=value)
    assert run.outputs == {"same": True}, run.console


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1:3", [1, 2, 3]),
        ("7L", 7),
        ("1 / 3", 1 / 3),
        ("1e22", 1e22),
        ("c(a = 1.5, b = NA)", [1.5, None]),
        ("'grün \u2603'", "grün \u2603"),
        ("NULL", None),
        ("character()", []),
        ("matrix(1:4, 2)", [[1, 3], [2, 4]]),
        ("factor(c('u', 'v'))", ["u", "v"]),
        ("as.Date('2020-02-29')", "2020-02-29"),
        ("data.frame(n = 1, s = 'a')", {"n": [1], "s": ["a"]}),
        ("list(1, 'a', NULL)", [1, "a", None]),
        ("list(n = 1:2, deep = list(TRUE))", {"n": [1, 2], "deep": [True]}),
    ],
)
def test_outputs_become_the_json_that_is_natural_to_them(
    session: RShell, code: str, value: Any
) -> None:
    assert session.execute(f"y <- {code}", "y").outputs == {"y": value}


def test_an_output_that_is_asked_for_twice_comes_once(session: RShell) -> None:
    request = {"code": "x <- 1", "inputs": [], "outputs": ["x", "x"]}
    _, body = session.call({"op": "execute", "maxBytes": 1000}, json.dumps(request).encode())
    assert json.loads(body)["outputParameters"] == [{"name": "x", "value": 1}]


def test_outputs_that_are_too_large_are_refused_and_the_session_goes_on(session: RShell) -> None:
    run = session.execute(f"x <- strrep('x', {OUTPUTS_MAX_BYTES})", "x")
    assert (run.success, run.outputs) == (False, {})
    assert run.error == (
        f"The outputs are larger than the {OUTPUTS_MAX_BYTES} bytes that can be returned."
    )
    assert session.execute("nchar(x)", "none").console == f"[1] {OUTPUTS_MAX_BYTES}\n"


def test_names_of_any_script_go_in_and_out(session: RShell) -> None:
    run = session.execute(
        '`größe` <- `größe` + `a "b"`', "größe", 'a "b"', **{"größe": 1, 'a "b"': 2}
    )
    assert run.outputs == {"größe": 3, 'a "b"': 2}


def test_outputs_that_cannot_be_given_are_named_and_the_others_come(session: RShell) -> None:
    run = session.execute("f <- function() 1\nx <- 1", "f", "x", "none")
    assert (run.success, run.outputs) == (False, {"x": 1})
    assert run.error == (
        "Output f cannot be represented in JSON: it holds a function. "
        "The output none does not exist."
    )


def test_text_that_r_cannot_hold_is_refused(session: RShell) -> None:
    run = session.execute("x", x="a\0b")
    assert not run.success
    assert "U+0000" in run.error


def test_options_directory_and_open_files_last_as_at_the_prompt(session: RShell) -> None:
    session.execute("dir.create('sub'); setwd('sub'); options(warn = 2); out <- file('o.txt', 'w')")
    run = session.execute("basename(getwd())\ncat('late', file = out); close(out)\nwarning('hard')")
    assert run.console == '[1] "sub"\nError: (converted from warning) hard\n'
    assert run.changed == ["sub/o.txt"]


def test_a_time_limit_ends_with_the_call_that_set_it(session: RShell) -> None:
    assert "time limit" in session.execute("setTimeLimit(elapsed = 0.1)\nrepeat {}").error
    assert session.execute("setTimeLimit(elapsed = 0.1)").success
    assert session.execute("Sys.sleep(0.3)").success


def test_changed_files_are_those_that_this_call_wrote(session: RShell) -> None:
    made = session.execute(
        "dir.create('d'); writeLines('a', 'd/a b.txt'); writeLines('1', 'x.csv')"
    )
    assert made.changed == ["d/a b.txt", "x.csv"]
    # Of the same size, right after the first and right after each other.
    for digit in range(2, 8):
        run = session.execute(f"writeLines('{digit}', 'x.csv'); invisible(readLines('d/a b.txt'))")
        assert run.changed == ["x.csv"]
    assert session.execute("unlink('x.csv')").changed == []


def test_neither_workspace_files_nor_odd_names_disturb(session: RShell) -> None:
    run = session.execute("save.image(); invisible(file.create('\\xff.txt'))")
    assert (run.success, run.changed) == (True, ["<ff>.txt"])
    session.execute("unlink('.RData')")


def test_a_working_directory_that_was_removed_is_there_again(session: RShell) -> None:
    assert session.execute("unlink(getwd(), recursive = TRUE)").success
    assert session.execute("writeLines('x', 'x.txt')").changed == ["x.txt"]


@pytest.mark.parametrize(
    "code",
    [
        "help(mean)",
        "?mean",
        "q()",
        "quit('no')",
        "browser()",
        "help.start()",
        "help.request()",
        "browseURL('https://example.org')",
        "edit(1)",
        "fix(mean)",
        "vi(mean)",
        "file.edit('x.R')",
        "View(cars)",
        "de(1)",
        "menu(c('a', 'b'))",
        "file.choose()",
        "select.list('a')",
        "chooseCRANmirror()",
        "invokeRestart('abort')",
        "stop(structure(list(), class = c('odd', 'condition')))",
    ],
)
def test_what_needs_a_person_fails_and_the_session_goes_on(session: RShell, code: str) -> None:
    assert not session.execute(f"{code}\ncat('after')").success
    assert session.execute("cat('on')").console == "on"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("readline('name? ')", '[1] ""'),
        ("readLines(stdin())", "character(0)"),
        ("scan()", "Read 0 items"),
        ("f <- function() 1\ndebug(f)\nf()", "exiting from: f()"),
        ("recover()", "recover called non-interactively"),
        ("vignette()", "Vignettes"),
        ("data()", "AirPassengers"),
        ("file.show(R.home('COPYING'))", "GNU"),
        ("invisible(system('cat; echo from a child'))", "from a child"),
        ("system('echo a; exit 3', intern = TRUE)", 'attr(,"status")\n[1] 3'),
        ("print(system('exit 3'))\nprint(system2('false'))", "[1] 3\n[1] 1"),
        ("getOption('repos')", "https://cloud.r-project.org"),
    ],
)  # fmt: skip
def test_what_asks_or_shows_is_answered_on_the_console(
    session: RShell, code: str, printed: str
) -> None:
    run = session.execute(code)
    assert run.success, run.error
    assert printed in run.console


def test_a_fork_that_runs_past_the_code_does_not_answer(session: RShell) -> None:
    run = session.execute(
        "child <- parallel:::mcfork()\nx <- if (inherits(child, 'masterProcess')) 1 else 2", "x"
    )
    assert run.outputs == {"x": 2}
    assert session.ask("ping") == {"ok": True}


def test_a_request_that_is_none_is_answered(session: RShell) -> None:
    header, body = session.call({"op": "execute", "maxBytes": 1000}, b"{")
    assert (header["kind"], header["success"]) == ("executed", False)
    assert json.loads(body) == {"changedFiles": [], "outputParameters": []}


def test_the_versions_of_r_and_its_packages_can_be_compared(session: RShell) -> None:
    run = session.execute(
        "packages <- as.data.frame(installed.packages()[, c('Package', 'Version')])\n"
        "version <- R.version",
        "packages",
        "version",
    )
    assert run.outputs["version"]["language"] == "R"
    assert "jsonlite" in run.outputs["packages"]["Package"]
