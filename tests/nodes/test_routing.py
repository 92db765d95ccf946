"""Choosing a node: a pure function."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.routing import burdens_of, choose

ADDRESSES = [f"http://10.0.0.{number}:12805/" for number in range(20)]
A, B, C = ADDRESSES[:3]


class InOrder:
    """Draws the given addresses, one after the other."""

    def __init__(self, *draws: str) -> None:
        self._draws = iter(draws)

    def choices(self, population: Sequence[str], weights: Sequence[float], *, k: int) -> list[str]:
        raise NotImplementedError

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Sequence[str]) -> str:
        drawn = next(self._draws)
        assert drawn in seq
        return drawn


def test_without_a_ready_node_there_is_no_choice() -> None:
    assert choose([], outstanding={}, randomness=InOrder()) is None


def test_the_only_ready_node_is_chosen_however_busy() -> None:
    assert choose([A], outstanding={A: 99}, randomness=InOrder()) == A


def test_cold_the_less_busy_of_two_drawn_nodes_is_chosen() -> None:
    outstanding = {A: 3, B: 2, C: 0}
    assert choose([A, B, C], outstanding=outstanding, randomness=InOrder(A, B)) == B


def test_the_least_busy_warm_node_comes_first() -> None:
    chosen = choose([A, B, C], warm=[A, B], outstanding={A: 2, B: 1}, randomness=InOrder(C, C))
    assert chosen == B


def test_a_warm_node_is_left_when_it_is_much_busier() -> None:
    for n_outstanding, expected in [(4, A), (5, B)]:
        chosen = choose([A, B], warm=[A], outstanding={A: n_outstanding}, randomness=InOrder(B, B))
        assert chosen == expected


def test_an_excluded_node_is_never_chosen_warm_or_not() -> None:
    for warm in ([], [A]):
        chosen = choose([A, B], warm=warm, outstanding={B: 50}, randomness=InOrder(), excluded=[A])
        assert chosen == B
    assert choose([A], outstanding={}, randomness=InOrder(), excluded=[A]) is None


def test_of_many_warm_nodes_the_less_busy_of_two_drawn_is_chosen() -> None:
    outstanding = {A: 3, B: 2, C: 0}
    warm = ADDRESSES[:9]
    assert choose(ADDRESSES, warm=warm, outstanding=outstanding, randomness=InOrder(A, B)) == B


@given(
    st.lists(st.sampled_from(ADDRESSES), unique=True),
    st.sets(st.sampled_from(ADDRESSES)),
    st.dictionaries(st.sampled_from(ADDRESSES), st.integers(0, 50)),
    st.sets(st.sampled_from(ADDRESSES)),
    st.integers(),
)
def test_the_choice_is_ready_and_not_excluded(
    ready: list[str], warm: set[str], outstanding: dict[str, int], excluded: set[str], seed: int
) -> None:
    chosen = choose(
        ready,
        warm=[address for address in ready if address in warm],
        outstanding=outstanding,
        randomness=random.Random(seed),
        excluded=excluded,
    )
    if set(ready) - excluded:
        assert chosen in set(ready) - excluded
    else:
        assert chosen is None


def test_load_spreads_over_cold_nodes() -> None:
    randomness = random.Random(1)
    outstanding: dict[str, int] = {}
    for _ in range(200):
        chosen = choose(ADDRESSES, outstanding=outstanding, randomness=randomness)
        assert chosen is not None
        outstanding[chosen] = outstanding.get(chosen, 0) + 1
    assert max(outstanding.values()) - min(outstanding.values()) <= 6


def placed(n_calls: int, **options: Any) -> dict[str, int]:
    """How many of so many calls at once each node gets."""
    randomness = random.Random(1)
    outstanding: dict[str, int] = {}
    for _ in range(n_calls):
        chosen = choose([A, B], outstanding=outstanding, randomness=randomness, **options)
        assert chosen is not None
        outstanding[chosen] = outstanding.get(chosen, 0) + 1
    return outstanding


@pytest.mark.parametrize("warm", [[], [A, B]])
def test_a_node_with_four_times_the_processors_gets_four_times_the_calls(warm: list[str]) -> None:
    burdens = burdens_of({A: 8 / 5, B: 2 / 5}, {})
    outstanding = placed(500, warm=warm, burdens=burdens)
    assert 3.5 < outstanding[A] / outstanding[B] < 4.5


def test_when_nothing_runs_large_nodes_get_more_but_not_all() -> None:
    burdens, randomness = burdens_of({A: 8 / 5, B: 2 / 5}, {}), random.Random(1)
    drawn = [
        choose([A, B], outstanding={}, randomness=randomness, burdens=burdens) for _ in range(1000)
    ]
    assert 750 < drawn.count(A) < 850


def test_a_slow_node_gets_few_calls() -> None:
    outstanding = placed(200, warm=[A, B], burdens=burdens_of({}, {B: 100.0}))
    assert outstanding.get(B, 0) <= 2


def test_a_burden_is_slowness_by_weight_and_one_where_nothing_is_known() -> None:
    assert burdens_of({A: 2.0, B: 0.5}, {B: 10.0, C: 3.0}) == {A: 0.5, B: 20.0, C: 3.0}


def test_a_large_cold_node_is_warmed_up_when_the_small_warm_one_is_busy() -> None:
    burdens = burdens_of({A: 0.2, B: 1.8}, {})
    outstanding = placed(20, warm=[A], burdens=burdens)
    assert outstanding[B] > outstanding[A]


def test_under_a_steady_load_a_cold_node_is_warmed_up_now_and_then() -> None:
    randomness = random.Random(1)
    chosen = [
        choose([A, B], warm=[A], outstanding={A: 2}, randomness=randomness) for _ in range(1000)
    ]
    assert 5 < chosen.count(B) < 40


def test_without_load_none_is_warmed_up() -> None:
    randomness = random.Random(1)
    chosen = {choose([A, B], warm=[A], outstanding={}, randomness=randomness) for _ in range(1000)}
    assert chosen == {A}
