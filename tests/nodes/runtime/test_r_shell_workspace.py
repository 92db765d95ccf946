"""Objects put, got, listed, deleted, saved and loaded (wire-api section 15)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell, run_r

pytestmark = pytest.mark.r


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[RShell]:
    with RShell(tmp_path / "shell") as shell:
        yield shell


def r_file(tmp_path: Path, script: str) -> str:
    """The path of a file that `script` writes to `file`."""
    path = str(tmp_path / "object")
    run_r(f"file <- commandArgs(TRUE); {script}", path)
    return path


def value_of(shell: RShell, name: str, tmp_path: Path) -> str:
    """The object as R code, read by an R of its own."""
    path = str(tmp_path / "got.RData")
    assert shell.ask("get_object", name=name, path=path) == {"ok": True}
    return run_r(
        "path <- commandArgs(TRUE); name <- load(path); stopifnot(length(name) == 1)\n"
        "cat(name, '=', deparse(get(name)))",
        path,
    )


@pytest.mark.parametrize(
    "script",
    [
        "m <- 1:3; save(m, file = file)",
        "m <- 1:3; save(m, file = file, compress = FALSE)",
        "m <- 1:3; save(m, file = file, compress = 'xz')",
        "m <- 1:3; save(m, file = file, compress = 'bzip2', version = 2)",
        "m <- 1:3; save(m, file = file, ascii = TRUE)",
        "other <- 1:3; save(other, file = file)",
        "m <- 1:3; other <- 0; save(other, m, file = file)",
        "saveRDS(1:3, file)",
        "saveRDS(1:3, file, compress = FALSE)",
        "saveRDS(1:3, file, ascii = TRUE)",
        "writeBin(serialize(1:3, NULL), file)",
        "writeBin(serialize(1:3, NULL, xdr = FALSE), file)",
    ],
)
def test_an_object_is_taken_in_every_format_of_r(
    shell: RShell, tmp_path: Path, script: str
) -> None:
    path = r_file(tmp_path, script)
    assert shell.ask("put_object", name="m", path=path) == {"ok": True}
    assert shell.ask("list_objects") == {"ok": True, "objects": ["m"]}
    assert value_of(shell, "m", tmp_path) == "m = 1:3"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("a <- 1; b <- 2; save(a, b, file = file)", "none of them named 'm': a, b"),
        ("save(list = character(), file = file)", "no object"),
        ("writeLines('nonsense', file)", "neither an .RData file nor a serialized R value"),
        ("file.create(file)", "neither an .RData file nor a serialized R value"),
        ("writeBin(as.raw(0:20), file)", "neither an .RData file nor a serialized R value"),
    ],
)
def test_what_is_no_object_is_refused_and_changes_nothing(
    shell: RShell, tmp_path: Path, script: str, text: str
) -> None:
    refused = shell.ask("put_object", name="m", path=r_file(tmp_path, script))
    assert refused["ok"] is False
    assert text in refused["message"]
    assert shell.ask("list_objects") == {"ok": True, "objects": []}


def test_an_object_put_again_is_replaced(shell: RShell, tmp_path: Path) -> None:
    shell.ask("put_object", name="m", path=r_file(tmp_path, "saveRDS(1L, file)"))
    shell.ask("put_object", name="m", path=r_file(tmp_path, "saveRDS(2L, file)"))
    assert value_of(shell, "m", tmp_path) == "m = 2L"


def test_objects_that_an_older_r_can_read_are_given(shell: RShell, tmp_path: Path) -> None:
    shell.ask("put_object", name="m", path=r_file(tmp_path, "saveRDS(1L, file)"))
    path = str(tmp_path / "got.RData")
    shell.ask("get_object", name="m", path=path)
    assert run_r("cat(readBin(gzfile(commandArgs(TRUE), 'rb'), 'raw', 4))", path) == "52 44 58 32"


@pytest.mark.parametrize("op", ["get_object", "delete_object"])
def test_an_unknown_object_is_told_apart(shell: RShell, tmp_path: Path, op: str) -> None:
    refused = shell.ask(op, name="sum", path=str(tmp_path / "x"))
    assert (refused["ok"], refused["code"]) == (False, "object-unknown")
    assert not (tmp_path / "x").exists()


def test_a_deleted_object_is_gone_and_the_others_stay(shell: RShell, tmp_path: Path) -> None:
    path = r_file(tmp_path, "saveRDS(1L, file)")
    for name in ("a", "b"):
        shell.ask("put_object", name=name, path=path)
    assert shell.ask("delete_object", name="a") == {"ok": True}
    assert shell.ask("list_objects")["objects"] == ["b"]


def test_hidden_objects_are_not_listed(shell: RShell, tmp_path: Path) -> None:
    shell.ask("put_object", name=".h", path=r_file(tmp_path, "saveRDS(1L, file)"))
    assert shell.ask("list_objects")["objects"] == []


def test_an_empty_workspace_is_no_file(shell: RShell, tmp_path: Path) -> None:
    path = tmp_path / "w.RData"
    assert shell.ask("save_workspace", path=str(path)) == {"ok": True, "objects": 0}
    assert not path.exists()


def test_a_saved_workspace_holds_hidden_objects_too(shell: RShell, tmp_path: Path) -> None:
    path = r_file(tmp_path, "saveRDS(1L, file)")
    for name in ("a", ".h"):
        shell.ask("put_object", name=name, path=path)
    saved = str(tmp_path / "w.RData")
    assert shell.ask("save_workspace", path=saved) == {"ok": True, "objects": 2}
    assert run_r("cat(sort(load(commandArgs(TRUE))))", saved) == ".h a"


def test_loading_a_workspace_merges_it_over_the_objects(shell: RShell, tmp_path: Path) -> None:
    shell.ask("put_object", name="a", path=r_file(tmp_path, "saveRDS('old', file)"))
    shell.ask("put_object", name="b", path=r_file(tmp_path, "saveRDS('kept', file)"))
    path = r_file(tmp_path, "a <- 'new'; c <- 'more'; save(a, c, file = file)")
    assert shell.ask("load_workspace", path=path) == {"ok": True}
    assert shell.ask("list_objects")["objects"] == ["a", "b", "c"]
    assert value_of(shell, "a", tmp_path) == 'a = "new"'
    assert value_of(shell, "b", tmp_path) == 'b = "kept"'


def test_a_workspace_that_is_none_is_refused(shell: RShell, tmp_path: Path) -> None:
    refused = shell.ask("load_workspace", path=r_file(tmp_path, "writeLines('x', file)"))
    assert refused == {"ok": False, "message": "the workspace is not an .RData file"}
