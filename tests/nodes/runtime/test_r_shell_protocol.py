"""The R shell's connection: greeting, frames of any size, interrupts, the end."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import R_SHELL, START_SECONDS, RShell, run_r

pytestmark = pytest.mark.r


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[RShell]:
    with RShell(tmp_path / "shell") as shell:
        yield shell


def test_it_greets_with_its_secret_and_the_version_of_r(shell: RShell) -> None:
    assert shell.greeting == shell.secret
    assert shell.ready == {"event": "ready", "version": run_r("cat(as.character(getRversion()))")}


def test_its_command_line_and_environment_do_not_hold_the_secret(shell: RShell) -> None:
    process = Path("/proc") / str(shell.process.pid)
    assert shell.secret.encode() not in (process / "cmdline").read_bytes()
    assert shell.secret.encode() not in (process / "environ").read_bytes()


def test_it_answers_a_ping(shell: RShell) -> None:
    assert shell.ask("ping") == {"ok": True}


def test_an_unknown_operation_is_refused_and_the_shell_goes_on(shell: RShell) -> None:
    refused = shell.ask("fly")
    assert refused["ok"] is False
    assert "fly" in refused["message"]
    assert shell.ask("ping") == {"ok": True}


def test_it_ends_when_the_node_hangs_up(shell: RShell) -> None:
    shell.hang_up()
    assert shell.process.wait(60) == 0


def test_it_ends_when_the_node_hangs_up_in_the_middle_of_a_frame(shell: RShell) -> None:
    shell.send_bytes(b"\0\0\0\x10\0\0")
    shell.hang_up()
    assert shell.process.wait(60) == 0


def test_bodies_of_many_megabytes_pass_both_ways(shell: RShell) -> None:
    shell.load("y <- x", inputs={"x": "character"}, outputs={"y": "character"})
    text = "0123456789abcdef" * (10 * 1024**2 // 16)
    assert shell.score(x=text).outputs["y"] == text


def test_more_console_than_a_pipe_holds_arrives_whole(shell: RShell) -> None:
    shell.load("for (i in 1:20000) cat(i, 'and so on\\n')")
    lines = shell.score().console.splitlines()
    assert lines == [f"{i} and so on" for i in range(1, 20001)]


def test_what_c_code_left_in_its_buffer_is_printed_before_the_answer(shell: RShell) -> None:
    maps = Path("/proc/self/maps").read_text()
    libc = next(word for word in maps.split() if word.startswith("/") and "/libc" in word)
    shell.load(f"dyn.load('{libc}')\ninvisible(.C('puts', c(charToRaw('from C'), as.raw(0))))")
    assert shell.score().console == "from C\n"


def test_an_interrupt_stops_the_run_and_the_shell_goes_on(shell: RShell) -> None:
    shell.load(
        "if (forever) { cat('started\\n'); repeat {} }\ny <- 1",
        inputs={"forever": "logical"},
        outputs={"y": "numeric"},
    )
    shell.send(*shell.request(b'{"forever":true}'))
    shell.wait_for_console("started\n")
    shell.process.send_signal(signal.SIGINT)
    stopped = shell.reply()
    assert (stopped["success"], stopped["errorMessage"]) == (False, "interrupted")
    assert shell.score(forever=False).outputs == {"y": 1}


def test_an_interrupt_while_nothing_runs_is_ignored(shell: RShell) -> None:
    shell.process.send_signal(signal.SIGINT)
    assert shell.ask("ping") == {"ok": True}
    with pytest.raises(subprocess.TimeoutExpired):
        shell.process.wait(0.01)


def test_without_jsonlite_it_says_so_instead_of_connecting(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["Rscript", "--vanilla", str(R_SHELL)],
        input="1\nsecret\n",
        env={"PATH": os.environ["PATH"], "R_LIBS_SITE": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert ended.returncode != 0
    assert "jsonlite" in ended.stderr
