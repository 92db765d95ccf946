"""Names of objects and files in sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.errors import InvalidRequest
from nodes.names import check_name


@pytest.mark.parametrize("name", ["x", "a b", "x..y", ".hidden", "...", "café", "模型", "x" * 255])
def test_a_harmless_name_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "\0", "a\tb", "\x9f", "x" * 256])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_name(name)
    assert caught.value.fields == "name"


@given(st.text())
def test_whatever_is_taken_has_neither_separators_nor_line_breaks(name: str) -> None:
    try:
        taken = check_name(name)
    except InvalidRequest:
        return
    assert not set(taken) & set("/\\\0\r\n\x85\u2028\u2029")
    assert taken.encode()
