"""R values as JSON by declared type (wire-api section 12)."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from .r_shells import RShell, Run

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    """Gives the value of the R expression `of`, once for each type in `OUTPUTS`."""
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        names = " <- ".join(OUTPUTS)
        shell.load(
            f"if (nzchar(of)) {names} <- eval(parse(text = of))",
            inputs={"of": "character"},
            outputs=OUTPUTS,
        )
        yield shell


OUTPUTS = {
    "i": "integer",
    "n": "numeric",
    "l": "logical",
    "s": "character",
    "v": "vector",
    "m": "matrix",
    "d": "data.frame",
}


def outputs(shell: RShell, of: str) -> dict[str, Any]:
    run = shell.score(of=of)
    assert run.success, run.error
    return run.outputs


def refused(shell: RShell, of: str) -> Run:
    run = shell.score(of=of)
    assert (run.success, run.outputs) == (False, {})
    return run


@pytest.mark.parametrize(
    ("kind", "of", "expected"),
    [
        ("i", "7L", 7),
        ("i", "3", 3),
        ("i", "TRUE", 1),
        ("i", "100000L", 100000),
        ("i", "2147483647", 2147483647),
        ("i", "2^40", 2**40),
        ("n", "0.1", 0.1),
        ("n", "c(a = 2.5)", 2.5),
        ("n", "matrix(2.5)", 2.5),
        ("n", "data.frame(x = 2.5)", 2.5),
        ("n", "list(2.5)", 2.5),
        ("n", "c(1, 2)", [1, 2]),
        ("n", "NA_real_", None),
        ("n", "NaN", None),
        ("n", "-Inf", None),
        ("l", "FALSE", False),
        ("l", "1", True),
        ("l", "NA", None),
        ("l", "c(TRUE, NA)", [True, None]),
        ("s", "'text'", "text"),
        ("s", "NA_character_", None),
        ("s", "factor('low', levels = c('high', 'low'))", "low"),
        ("s", "2.5", "2.5"),
        ("s", "as.Date('2020-02-29')", "2020-02-29"),
        ("s", "as.POSIXct('2020-02-29 13:00:01', tz = 'UTC')", "2020-02-29T13:00:01Z"),
        ("s", "as.POSIXlt('2020-02-29 13:00:01', tz = 'UTC')", "2020-02-29T13:00:01Z"),
        ("s", "as.POSIXct('2020-02-29 13:00', tz = 'Etc/GMT-2')", "2020-02-29T11:00:00Z"),
        ("s", "numeric_version('4.2.2')", "4.2.2"),
        ("s", "character(0)", []),
    ],
)
def test_a_scalar_is_unboxed(shell: RShell, kind: str, of: str, expected: Any) -> None:
    value = outputs(shell, of)[kind]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("1:3", [1, 2, 3]),
        ("5", [5]),
        ("'one'", ["one"]),
        ("c(a = 1, b = 2)", [1, 2]),
        ("c(1.5, NA, Inf)", [1.5, None, None]),
        ("c('a', NA)", ["a", None]),
        ("c(TRUE, NA)", [True, None]),
        ("numeric(0)", []),
        ("factor(c('b', 'a', NA))", ["b", "a", None]),
        ("as.Date(c('2020-01-01', NA))", ["2020-01-01", None]),
        ("matrix(1:3)", [1, 2, 3]),
        ("matrix(1:3, 1)", [1, 2, 3]),
        ("table(c('x', 'y', 'x'))", [2, 1]),
        ("list(1, 'a', NULL)", [1, "a", None]),
        ("as.raw(c(1, 255))", [1, 255]),
        ("matrix(1:4, 2)", [[1, 3], [2, 4]]),
    ],
)
def test_a_vector_is_an_array(shell: RShell, of: str, expected: Any) -> None:
    assert outputs(shell, of)["v"] == expected


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("matrix(1:6, 2)", [[1, 3, 5], [2, 4, 6]]),
        ("matrix(c(1.5, NA), 1)", [[1.5, None]]),
        ("matrix(5)", [[5]]),
        ("matrix(c('a', 'b'), 2)", [["a"], ["b"]]),
        ("matrix(c(TRUE, FALSE), 1, dimnames = list('r', c('x', 'y')))", [[True, False]]),
        ("matrix(0, 0, 3)", []),
        ("matrix(0, 2, 0)", [[], []]),
        ("data.frame(a = 1:2, b = 3:4)", [[1, 3], [2, 4]]),
        ("array(1:8, c(2, 2, 2))", [[[1, 5], [3, 7]], [[2, 6], [4, 8]]]),
        ("1:2", [1, 2]),
    ],
)
def test_a_matrix_is_an_array_of_rows(shell: RShell, of: str, expected: Any) -> None:
    assert outputs(shell, of)["m"] == expected


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("data.frame(z = 1:2, a = c('x', NA))", {"z": [1, 2], "a": ["x", None]}),
        ("data.frame(a = 1, row.names = 'r1')", {"a": [1]}),
        ("data.frame(a = numeric(0), b = character(0))", {"a": [], "b": []}),
        ("data.frame()", {}),
        ("data.frame(f = factor(c('u', 'v')))", {"f": ["u", "v"]}),
        ("data.frame(t = as.POSIXct(0.25, origin = '1970-01-01'))",
         {"t": ["1970-01-01T00:00:00.250000Z"]}),
        ("data.frame(a = 1, a = 2, check.names = FALSE)", {"a": [1], "a.1": [2]}),
        ("matrix(1:4, 2, dimnames = list(NULL, c('p', 'q')))", {"p": [1, 2], "q": [3, 4]}),
        ("list(a = 1, b = 'x')", {"a": [1], "b": ["x"]}),
        ("list(a = 1, b = 1:2)", {"a": 1, "b": [1, 2]}),
        ("local({ d <- data.frame(k = 1:2); d$l <- list(1, c('a', 'b')); d })",
         {"k": [1, 2], "l": [1, ["a", "b"]]}),
    ],
)  # fmt: skip
def test_a_data_frame_is_an_object_of_columns(shell: RShell, of: str, expected: Any) -> None:
    value = outputs(shell, of)["d"]
    assert value == expected
    assert list(value) == list(expected)


def test_a_list_is_what_is_natural_to_it(shell: RShell) -> None:
    of = "list(n = 1, v = 1:2, d = data.frame(a = 1), l = list('x', NULL), e = list())"
    assert outputs(shell, of)["s"] == {
        "n": 1,
        "v": [1, 2],
        "d": {"a": [1]},
        "l": ["x", None],
        "e": [],
    }


def test_members_without_a_name_of_their_own_get_one(shell: RShell) -> None:
    assert outputs(shell, "list(a = 1, 2, a = 3)")["v"] == {"a": 1, "2": 2, "a.1": 3}


def test_what_was_never_assigned_is_null(shell: RShell) -> None:
    assert outputs(shell, "") == dict.fromkeys(OUTPUTS)


def test_null_is_null(shell: RShell) -> None:
    assert outputs(shell, "NULL") == dict.fromkeys(OUTPUTS)


def test_doubles_come_back_as_the_very_same_number(shell: RShell) -> None:
    generator = random.Random(7)
    numbers = [generator.uniform(-1, 1) * 10.0 ** generator.randint(-300, 300) for _ in range(5000)]
    numbers += [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, 123456.789, 1e15, 1e22]
    texts = ",".join(map(repr, numbers))
    run = shell.score(of=f"as.double(jsonlite::parse_json('[{texts}]'))")
    assert run.outputs["v"] == numbers


def test_short_numbers_are_written_short(shell: RShell) -> None:
    _, body = shell.call(*shell.request(b'{"of":"c(0.1, 24.5, 100000, 1e-7)"}'))
    assert b'"v":[0.1,24.5,100000,1e-07]' in body


def test_text_is_escaped_and_stays_utf_8(shell: RShell) -> None:
    text = '\u00fc\u20ac\U0001f600 "\\/\b\f\n\r\t\x01\x1f\x7f'
    codes = ",".join(str(ord(character)) for character in text)
    assert outputs(shell, f"intToUtf8(c({codes}))")["s"] == text


def test_text_in_another_encoding_is_translated(shell: RShell) -> None:
    of = "local({ x <- rawToChar(as.raw(0xfc)); Encoding(x) <- 'latin1'; x })"
    assert outputs(shell, of)["s"] == "\u00fc"


@pytest.mark.parametrize("encoding", ["unknown", "UTF-8"])
def test_bytes_that_are_no_text_are_shown_as_such(shell: RShell, encoding: str) -> None:
    of = f"local({{ x <- rawToChar(as.raw(c(97, 255))); Encoding(x) <- '{encoding}'; x }})"
    assert outputs(shell, of)["s"] == "a<ff>"


def test_names_of_columns_are_escaped(shell: RShell) -> None:
    assert outputs(shell, "structure(data.frame(1), names = 'a\"b')")["d"] == {'a"b': [1]}


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ("function(x) x", "a function"),
        ("sum", "a function"),
        ("globalenv()", "an environment"),
        ("methods::getClass('numeric')", "an S4 object of class 'classRepresentation'"),
        ("quote(a + b)", "an R object of type 'language'"),
        ("1i", "an R object of type 'complex'"),
        ("list(ok = 1, deep = list(function() 1))", "a function"),
        ("lm(dist ~ speed, cars)", "an R object of type 'language'"),
    ],
)
def test_what_json_cannot_hold_fails_with_the_output_and_what_it_is(
    shell: RShell, of: str, what: str
) -> None:
    assert refused(shell, of).error == (
        f"Output i (integer) cannot be represented in JSON: it holds {what}."
    )


def test_a_list_nested_too_deeply_fails_and_the_shell_goes_on(shell: RShell) -> None:
    run = refused(shell, "local({ x <- 1; for (i in 1:50000) x <- list(x); x })")
    assert "Output" in run.error
    assert outputs(shell, "1")["n"] == 1


def test_a_large_vector_is_sent_whole(shell: RShell) -> None:
    assert math.isclose(sum(outputs(shell, "seq(0, 1, length.out = 1e5)")["v"]), 50000)
