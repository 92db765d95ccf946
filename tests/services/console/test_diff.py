"""What a comparison of two versions shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console import diff
from services.console.diff import ADDED, CHANGED, REMOVED, SKIPPED, part_of

pytestmark = pytest.mark.any_database

LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30)


@given(LINES, LINES)
def test_both_texts_can_be_read_off_it(left: list[str], right: list[str]) -> None:
    rows = list(diff._rows(left, right))
    assert [row.left for row in rows if row.left_number] == left
    assert [row.right for row in rows if row.right_number] == right
    numbers = [row.left_number for row in rows if row.left_number]
    assert numbers == list(range(1, len(left) + 1))


@given(LINES, LINES)
def test_the_unified_form_has_the_same_lines(left: list[str], right: list[str]) -> None:
    part = part_of("Code", left, right)
    removed = [row.left for row in part.unified if row.kind == REMOVED]
    added = [row.right for row in part.unified if row.kind == ADDED]
    assert removed == [row.left for row in part.rows if row.left_sign]
    assert added == [row.right for row in part.rows if row.right_sign]
    assert (part.n_removed, part.n_added) == (len(removed), len(added))
    assert part.is_same is (left == right)


def test_what_is_alike_is_left_out_but_for_a_few_lines() -> None:
    lines = [str(number) for number in range(100)]
    rows = part_of("Code", lines, [*lines[:50], "new", *lines[51:]]).rows
    assert [row.kind for row in rows if row.kind in (SKIPPED, CHANGED)] == [
        SKIPPED,
        CHANGED,
        SKIPPED,
    ]
    assert [row.n_skipped for row in rows if row.kind == SKIPPED] == [47, 46]


def test_texts_too_long_to_match_are_shown_as_replaced() -> None:
    left = [f"a{number}" for number in range(diff.MOST_MATCHED + 1)]
    right = [f"b{number}" for number in range(diff.MOST_MATCHED + 1)]
    part = part_of("Code", ["same", *left, "end"], ["same", *right, "end"])
    assert part.n_removed == part.n_added == len(left)
    assert part.rows[0].left == "same"
