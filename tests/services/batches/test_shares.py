"""How parallel calls are divided among batches."""

from hypothesis import given
from hypothesis import strategies as st

from services.batches.shares import fair_shares


def test_what_fits_is_granted() -> None:
    assert fair_shares(100, [10, 30, 60]) == [10, 30, 60]


def test_a_large_wish_leaves_the_small_ones_alone() -> None:
    assert fair_shares(100, [100, 10, 100]) == [45, 10, 45]


def test_everybody_gets_something() -> None:
    assert fair_shares(2, [5, 5, 5]) == [1, 1, 1]


@given(st.integers(1, 200), st.lists(st.integers(1, 100), max_size=20))
def test_no_share_exceeds_its_wish_and_all_together_the_capacity(
    capacity: int, wishes: list[int]
) -> None:
    shares = fair_shares(capacity, wishes)
    assert all(1 <= share <= wish for share, wish in zip(shares, wishes, strict=True))
    assert sum(shares) <= max(capacity, len(wishes))
