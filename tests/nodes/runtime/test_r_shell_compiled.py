"""What the first R shell compiles is used by those after it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .r_shells import R_SHELL, START_SECONDS

pytestmark = pytest.mark.r


def started(program: Path) -> str:
    done = subprocess.run(
        ["Rscript", "--vanilla", str(program)],
        check=True,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    return done.stdout + done.stderr


def test_what_was_compiled_is_used_while_it_is_whole_and_of_these_sources(tmp_path: Path) -> None:
    program = shutil.copy(R_SHELL, tmp_path)
    parts = tmp_path / "r_shell"
    parts.mkdir()
    says = "main <- function() cat(typeof(main), typeof(.Internal(bodyCode(main))))"
    (parts / "main.R").write_text(says)

    assert started(program) == "closure bytecode"
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    left = compiled.read_bytes()
    assert started(program) == "closure bytecode"
    assert compiled.read_bytes() == left

    compiled.write_bytes(left[:1000])
    assert started(program) == "closure bytecode"
    assert compiled.read_bytes()[:10] == left[:10]
    assert len(compiled.read_bytes()) == len(left)

    (parts / "main.R").write_text("main <- function() cat('changed')")
    assert started(program) == "changed"


def test_where_nothing_can_be_left_it_starts_all_the_same(tmp_path: Path) -> None:
    program = shutil.copy(R_SHELL, tmp_path)
    (tmp_path / "r_shell").mkdir()
    (tmp_path / "r_shell" / "main.R").write_text("main <- function() cat('started')")
    (tmp_path / "__pycache__").touch()  # no folder, so that it holds for root too
    assert started(program) == "started"
