"""Calls of R versions that wait together are run as one: each gets what it would have got alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.runtime.r_merged import MergedForR
from nodes.runtime.r_values import score_request

from .r_shells import RShell
from .running import running_node
from .test_merging import Held, published
from .test_rows import ALIKE

pytestmark = pytest.mark.r

MAX_ROWS = 12
TYPES = "v <- rep(paste(typeof(x), class(x)[1]), NROW(x))"
CODES = {
    "data.frame": [
        "d <- x",
        "v <- x[[1]]",
        "m <- as.matrix(x[1])",
        "d <- data.frame(x, x)",
        "v <- rep(paste(vapply(x, typeof, ''), collapse = ' '), nrow(x))",
        "d <- data.frame(a = factor(nchar(x[[1]])), b = as.Date('2020-01-01') + nchar(x[[1]]))",
        "d <- lapply(x, rev); d <- lapply(d, rev)",
    ],
    "vector": [
        "v <- x",
        "v <- stats::setNames(x, x)",
        "v <- matrix(x)",
        "m <- matrix(x, length(x), 2)",
        "d <- list(a = x, b = x)",
        TYPES,
    ],
    "matrix": ["m <- x", "v <- x[, 1]", "d <- as.data.frame(x)", TYPES],
}
ALL_CODES = [(kind, code) for kind, codes in CODES.items() for code in codes]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    """Runs its input `code`, which assigns what it likes of three outputs."""
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        shell.load(
            "eval(parse(text = code), globalenv())",
            inputs={"code": "character"},
            outputs={"v": "vector", "m": "matrix", "d": "data.frame"},
        )
        yield shell


def run(
    shell: RShell, kind: str, code: str, values: list[Any], max_rows: int = MAX_ROWS
) -> tuple[dict[str, Any], list[bytes | None], list[bytes | None]]:
    """The reply to the calls together; what each got of it, and what it gets alone. None for those
    that were not run, or failed."""
    declared = [("x", kind), ("code", "character")]
    bodies = [json.dumps({"x": value, "code": code}).encode() for value in values]
    merged = MergedForR(bodies, declared, max_rows)
    reply = merged.reply(*shell.call(merged.header, merged.body)) if merged.header else None
    header, data = reply or merged.unlike()
    got: list[bytes | None] = []
    start = 0
    for size in header["sizes"]:
        got.append(None if size < 0 else data[start : start + size])
        start += max(size, 0)
    alone: list[bytes | None] = []
    for body in bodies:
        said, result = shell.call(*score_request(body, declared))
        alone.append(result if said["success"] else None)
    return header, got, alone


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_call_gets_to_the_byte_what_it_gets_alone(shell: RShell, data: st.DataObject) -> None:
    kind, code = data.draw(st.sampled_from(ALL_CODES))
    values = data.draw(st.lists(data.draw(ALIKE[kind]), min_size=2, max_size=4))
    header, got, alone = run(shell, kind, code, values)
    assert [each for each in got if each is not None] == [
        without for each, without in zip(got, alone, strict=True) if each is not None
    ]
    assert header["retire"] == ""


@pytest.mark.parametrize(("kind", "code"), ALL_CODES)
def test_calls_of_one_form_run_as_one(shell: RShell, kind: str, code: str) -> None:
    cells = ["text", "b", None]
    value: Any = {"data.frame": {"a": cells}, "vector": cells, "matrix": [[cell] for cell in cells]}
    header, got, alone = run(shell, kind, code, [value[kind]] * 3)
    assert got == alone
    assert header["runs"] == [(3, 9)]


@pytest.mark.parametrize(
    ("one", "other"), [([1], [1.5]), ([1], [2**31]), ([1], ["1"]), ([True], [1]), ([1, "a"], [1])]
)
def test_calls_of_different_types_do_not_run_as_one(shell: RShell, one: Any, other: Any) -> None:
    header, got, _ = run(shell, "vector", "v <- x", [one, other])
    assert (header["runs"], got) == ([], [None, None])


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("v <- sum(x)", "rows"),
        ("v <- as.list(x)", "rows"),
        ("d <- x", "rows"),
        ("d <- data.frame(x, y = x)[rev(seq_along(x)), ]", "rows"),
        ("stop('no')", "error"),
        ("v <- x; writeLines('x', 'made.txt')", "files"),
    ],
)
def test_what_cannot_be_told_apart_is_given_to_nobody(
    shell: RShell, code: str, failure: str
) -> None:
    header, got, _ = run(shell, "vector", code, [[1, 2], [3, 4]])
    assert (header["failure"], got) == (failure, [None, None])


def test_after_a_run_that_ruins_the_shell_no_other_is_begun(tmp_path: Path) -> None:
    with RShell(tmp_path / "shell") as shell:
        shell.load("v <- x; invisible(Sys.setlocale('LC_TIME', 'C'))", outputs={"v": "vector"})
        bodies = [b'{"x":[1]}', b'{"x":[2]}', b'{"x":[1.5]}', b'{"x":[2.5]}']
        merged = MergedForR(bodies, [("x", "vector")], MAX_ROWS)
        header, data = merged.reply(*shell.call(merged.header or {}, merged.body))
    assert "locale" in header["retire"]
    assert [size > 0 for size in header["sizes"]] == [True, True, False, False]
    assert data.count(b'{"v":[') == 2


def test_a_text_that_r_cannot_hold_is_not_run_with_others(shell: RShell) -> None:
    bodies = [b'{"x":["a"]}', b'{"x":["\\u0000"]}']
    assert MergedForR(bodies, [("x", "vector")], MAX_ROWS).header is None


def test_calls_to_a_node_run_as_one(tmp_path: Path) -> None:
    code = (
        'while ("hold" %in% names(x) && file.exists(x$hold[1])) Sys.sleep(0.01)\n'
        "y <- data.frame(double = 2 * x$a, n = nrow(x))"
    )
    with running_node(tmp_path / "node", MLOPS_POOL_MAX_SIZE="1") as node:
        service = published(node, code, runtime="R", init_code="kept <- 1")
        with Held(service, tmp_path) as held:
            calls = [held.call({"x": {"a": [n, n][: 1 + n % 2]}}) for n in range(5)]
            bad = held.call({"x": 5})
        assert [call.outputs() for call in calls] == [
            {"double": [2 * n] * (1 + n % 2), "n": [7] * (1 + n % 2)} for n in range(5)
        ]
        assert bad.answer()[0] == 400
