"""The seven types of input as R values (wire-api section 12)."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from nodes.runtime.inputs import InputError

from .r_shells import RShell

pytestmark = pytest.mark.r

INPUTS = {
    "i": "integer",
    "n": "numeric",
    "l": "logical",
    "s": "character",
    "v": "vector",
    "m": "matrix",
    "d": "data.frame",
}
DEFAULTS: dict[str, Any] = {"i": 1, "n": 1, "l": True, "s": "", "v": [], "m": [], "d": {}}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        shell.load(
            "holds <- eval(parse(text = check))",
            inputs={"check": "character", **INPUTS},
            outputs={"holds": "logical"},
        )
        yield shell


def holds(shell: RShell, check: str, **inputs: Any) -> bool:
    run = shell.score(check=check, **{**DEFAULTS, **inputs})
    assert run.success, run.error
    return run.outputs["holds"] is True


@pytest.mark.parametrize(
    ("check", "inputs"),
    [
        ("identical(i, 7L)", {"i": 7}),
        ("identical(i, 3L)", {"i": 3.0}),
        ("identical(i, -2147483647L)", {"i": -2147483647}),
        ("identical(i, 2147483648)", {"i": 2147483648}),
        ("identical(i, 1e20)", {"i": 10**20}),
        ("identical(i, NA_integer_)", {"i": None}),
        ("identical(n, 7)", {"n": 7}),
        ("identical(n, 0.1 + 0.2)", {"n": 0.1 + 0.2}),
        ("identical(n, NA_real_)", {"n": None}),
        ("identical(l, FALSE)", {"l": False}),
        ("identical(l, NA)", {"l": None}),
        ("identical(s, 'text')", {"s": "text"}),
        ("identical(s, NA_character_)", {"s": None}),
        ("identical(utf8ToInt(s), c(252L, 8364L, 128512L))", {"s": "\u00fc\u20ac\U0001f600"}),
        ("identical(s, 'a\\n\\t\"\\\\\\u0001')", {"s": 'a\n\t"\\\u0001'}),
    ],
)
def test_a_scalar(shell: RShell, check: str, inputs: dict[str, Any]) -> None:
    assert holds(shell, check, **inputs)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("identical(v, c(1L, 2L))", [1, 2]),
        ("identical(v, c(1, 2.5))", [1, 2.5]),
        ("identical(v, c(1L, NA))", [1, None]),
        ("identical(v, c('a', NA))", ["a", None]),
        ("identical(v, c('a', '1'))", ["a", 1]),
        ("identical(v, c('TRUE', 'b', NA, '1e+05'))", [True, "b", None, 1e5]),
        ("identical(v, c(2L, 0L))", [2, False]),
        ("identical(v, c(2.5, 1, NA))", [2.5, True, None]),
        ("identical(v, c(1L, NA, -2147483647L))", [1, None, -2147483647]),
        ("identical(v, c(1, NA, 2147483648))", [1, None, 2147483648]),
        ("identical(v, c(-2147483648, 0))", [-2147483648, 0]),
        ("identical(v, c(NA, 1.5))", [math.nan, 1.5]),
        ("identical(v, c(-Inf, 1e20))", [-(10**400), 10**20]),
        ("identical(v, c('\\u00fc', ''))", ["\u00fc", ""]),
        ("identical(v, c(TRUE, FALSE, NA))", [True, False, None]),
        ("identical(v, c(NA, NA))", [None, None]),
        ("identical(v, 5L)", [5]),
        ("identical(v, 5L)", 5),
        ("identical(v, logical(0))", []),
        ("is.null(v)", None),
    ],
)
def test_a_vector(shell: RShell, check: str, value: Any) -> None:
    assert holds(shell, check, v=value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("identical(m, matrix(1:6, 2, byrow = TRUE))", [[1, 2, 3], [4, 5, 6]]),
        ("identical(m, matrix(c(1, NA, 0.5, 4), 2, byrow = TRUE))", [[1, None], [0.5, 4]]),
        ("identical(m, matrix(c('a', 'b'), 1))", [["a", "b"]]),
        ("identical(m, matrix(c(TRUE, FALSE), 2))", [[True], [False]]),
        ("identical(m, matrix(5L))", [[5]]),
        ("identical(m, matrix(c('1', 'a', 'b', NA), 2))", [[1, "b"], ["a", None]]),
        ("identical(dim(m), c(2L, 0L))", [[], []]),
        ("identical(dim(m), c(0L, 0L))", []),
        ("is.null(m)", None),
    ],
)
def test_a_matrix(shell: RShell, check: str, value: Any) -> None:
    assert holds(shell, check, m=value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("identical(d, data.frame(a = 1:2, b = c('x', 'y')))", {"a": [1, 2], "b": ["x", "y"]}),
        ("identical(names(d), c('z', 'a', 'b c'))", {"z": [1], "a": [1], "b c": [1]}),
        ("identical(d, data.frame(a = c(1.5, NA)))", {"a": [1.5, None]}),
        ("identical(d, data.frame(a = c(NA, NA)))", {"a": [None, None]}),
        ("is.character(d$a)", {"a": ["one", "two"]}),
        ("identical(d, data.frame(a = c('1', 'x'), b = 1:2))", {"a": [1, "x"], "b": [1, 2]}),
        ("identical(dim(d), c(0L, 2L)) && identical(names(d), c('a', 'b'))", {"a": [], "b": []}),
        ("is.data.frame(d) && identical(dim(d), c(0L, 0L))", {}),
        ("identical(d[2, 'a'], 4L) && identical(nrow(rbind(d, d)), 4L)", {"a": [3, 4]}),
        ("is.null(d)", None),
    ],
)
def test_a_data_frame(shell: RShell, check: str, value: Any) -> None:
    assert holds(shell, check, d=value)


def test_a_number_too_large_for_a_double_is_infinity(shell: RShell) -> None:
    body = json.dumps({"check": "identical(v, c(Inf, -Inf))", **DEFAULTS})
    run = shell.score_bytes(body.replace('"v": []', '"v": [1e999, -1e999]').encode())
    assert run.outputs["holds"] is True


def test_the_character_that_r_cannot_hold_is_refused_instead_of_cutting_the_text(
    shell: RShell,
) -> None:
    with pytest.raises(InputError, match=r"U\+0000"):
        shell.score(check="TRUE", **{**DEFAULTS, "s": "a\0b"})


def test_a_backslash_before_u0000_is_plain_text(shell: RShell) -> None:
    assert holds(shell, "nchar(s) == 6", s="\\u0000")
