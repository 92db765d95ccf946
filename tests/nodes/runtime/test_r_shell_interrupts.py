"""Cancelling code of an R session: by a signal, at any moment, without harm to the session."""

from collections.abc import Iterator

import pytest

from .r_shells import RShell

pytestmark = pytest.mark.r

CANCELLED = (False, "The execution was cancelled.")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        yield shell


@pytest.mark.parametrize(
    "code",
    [
        "repeat {}",
        "Sys.sleep(1000)",
        "system('echo child; exec sleep 1000')",
        "system('echo child; exec sleep 1000', timeout = 900)",
        "system2('sh', c('-c', shQuote('echo child; exec sleep 1000')))",
        "system('trap exit INT; echo child; exec sleep 1000')",
        "invisible(system('echo child >&2; exec sleep 1000', intern = TRUE))",
        "invisible(readLines(pipe('echo child >&2; exec sleep 1000')))",
        "x <- 1; while (sum(sort(runif(1e6))) > 0) x <- x + 1",
        "parallel::mclapply(1:2, function(i) Sys.sleep(1000), mc.cores = 2)",
        "try(Sys.sleep(1000))",
        "tryCatch(Sys.sleep(1000), error = function(e) 1, finally = x <- 2)",
        "suspendInterrupts(allowInterrupts(Sys.sleep(1000)))",
        "tryCatch({ cat('ready\\n'); Sys.sleep(1000) }, interrupt = function(e) invisible(e))\n"
        "cat('handled\\n')\nSys.sleep(1000)",
    ],
)
def test_an_interrupt_ends_the_code(session: RShell, code: str) -> None:
    session.console()
    session.start(f"before <- 1\ncat('started\\n'); {code}\ncat('never')")
    # A shell runs on when the signal comes while it forks, as in a terminal: so let it not fork.
    sign = next((word for word in ("child", "ready") if word in code), "started")
    session.wait_for_console(f"{sign}\n")
    session.interrupt()
    if "handled" in code:  # the code's own handler had the first one
        session.wait_for_console("handled\n")
        session.interrupt()
    run = session.execution()
    assert (run.success, run.error) == CANCELLED
    assert "never" not in run.console
    assert session.execute("cat(before)").console == "1"


def test_what_was_written_and_warned_of_by_then_is_told(session: RShell) -> None:
    session.console()
    session.start(
        "f <- function() { warning('odd'); writeLines('x', 'half.txt'); cat('started\\n')\n"
        "repeat {} }\nf()",
        "f",
    )
    session.wait_for_console("started\n")
    session.interrupt()
    run = session.execution()
    assert (run.success, run.error) == CANCELLED
    assert (run.outputs, run.changed) == ({}, ["half.txt"])
    assert "In f() : odd" in run.console


def test_an_interrupt_at_the_end_of_a_statement_stops_the_next(session: RShell) -> None:
    session.console()
    session.start("tools::pskill(Sys.getpid(), tools::SIGINT)\ncat('never')")
    run = session.execution()
    assert (run.success, run.error) == CANCELLED
    assert "never" not in run.console


def test_an_interrupt_between_two_calls_stops_neither(session: RShell) -> None:
    for _ in range(3):
        session.interrupt()
        assert session.execute("cat('on')").console == "on"


def test_interrupts_around_the_end_harm_no_call(session: RShell) -> None:
    session.execute("big <- strrep('x', 3e6)")
    for _ in range(10):
        session.start("cat('started\\n')", "big")
        session.wait_for_console("started\n")
        for _ in range(3):
            session.interrupt()
        run = session.execution()
        assert run.success or (run.success, run.error) == CANCELLED
        assert session.execute("cat('on')").console == "on"


def test_the_reading_of_outputs_can_be_interrupted(session: RShell) -> None:
    session.console()
    session.start(
        "makeActiveBinding('slow', function() { cat('started\\n'); Sys.sleep(1000) }, globalenv())",
        "slow",
    )
    session.wait_for_console("started\n")
    session.interrupt()
    run = session.execution()
    assert (run.success, run.error) == CANCELLED
    session.execute("rm(slow)")
