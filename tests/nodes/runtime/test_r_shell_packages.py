"""Packages that are installed in an R session: its own, and of what is made from it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_packages import source_package
from .r_shells import RShell

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    """A session with the package `tiny`, and `box`, a function made by it."""
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        code = "answer <- function() 42\nmake <- function() function() answer()"
        (shell.work / "tiny.tar.gz").write_bytes(source_package("tiny", code))
        run = shell.execute("install.packages('tiny.tar.gz', repos = NULL)\nbox <- tiny::make()")
        assert run.success, run.error
        assert "* DONE (tiny)" in run.console
        assert run.changed == []
        yield shell


@pytest.fixture
def snapshot(session: RShell, tmp_path: Path) -> Path:
    """The files of the session's snapshot."""
    files = tmp_path / "snapshot"
    shutil.copytree(session.work, files)
    assert session.ask("save_workspace", path=str(files / ".RData"))["ok"]
    return files


def test_a_package_is_installed_into_the_session(session: RShell) -> None:
    assert session.execute("library(tiny)\nanswer()").console.endswith("[1] 42\n")
    assert (session.work / ".library/tiny/DESCRIPTION").is_file()
    assert session.execute("'tiny' %in% rownames(installed.packages())").console == "[1] TRUE\n"


def test_other_r_processes_of_the_session_find_it(session: RShell) -> None:
    run = session.execute("""invisible(system("Rscript -e 'cat(tiny::answer())'"))""")
    assert run.console == "42"


def test_it_is_found_by_a_session_that_loads_the_snapshot(snapshot: Path, tmp_path: Path) -> None:
    with RShell(tmp_path / "shell") as other:
        assert other.ask("load_workspace", path=str(snapshot / ".RData"))["ok"]
        run = other.execute("box()\nenvironment(parent.env(environment(box))$answer)")
        assert run.console == "[1] 42\n<environment: namespace:tiny>\n"


def test_a_snapshot_that_cannot_be_loaded_brings_no_package(snapshot: Path, tmp_path: Path) -> None:
    (snapshot / ".RData").write_bytes(b"none")
    with RShell(tmp_path / "shell") as other:
        assert not other.ask("load_workspace", path=str(snapshot / ".RData"))["ok"]
        assert not other.execute("library(tiny)").success
    assert (snapshot / ".library/tiny/DESCRIPTION").is_file()


def test_it_is_found_by_a_service_in_every_call(snapshot: Path, tmp_path: Path) -> None:
    files = {
        str(path.relative_to(snapshot)): path.read_bytes()
        for path in snapshot.rglob("*")
        if path.is_file()
    }
    with RShell(tmp_path / "shell") as shell:
        loaded = shell.load(
            "require(tiny)\nx <- answer() + box()\nfiles <- list.files(all.files = TRUE)\n"
            ".libPaths(tempdir())",
            outputs={"x": "numeric", "files": "vector"},
            files=files,
        )
        assert loaded["ok"], loaded
        for _ in range(2):
            assert shell.score().outputs == {"x": 84, "files": [".", "..", "tiny.tar.gz"]}
        assert shell.score().changed == []
