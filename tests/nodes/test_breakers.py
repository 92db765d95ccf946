"""Nodes that fail sit out for a while."""

import pytest

from nodes.breakers import Breakers

NODE, OTHER = "http://10.0.0.1:12805/", "http://10.0.0.2:12805/"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(clock)


def is_ready(breakers: Breakers, node: str = NODE) -> bool:
    return breakers.ready([node]) == (node,)


def test_a_node_that_never_failed_is_ready(breakers: Breakers) -> None:
    assert is_ready(breakers)
    assert not breakers


def test_a_node_that_cannot_be_reached_sits_out_at_once(breakers: Breakers) -> None:
    assert breakers.fail(NODE, "refused", at_once=True)
    assert not is_ready(breakers)
    assert is_ready(breakers, OTHER)
    assert breakers.last_error == "refused"


def test_a_node_whose_calls_break_sits_out_after_three_in_a_row(breakers: Breakers) -> None:
    assert not breakers.fail(NODE, "broke", at_once=False)
    assert not breakers.fail(NODE, "broke", at_once=False)
    assert is_ready(breakers)
    assert breakers.fail(NODE, "broke", at_once=False)
    assert not is_ready(breakers)


def test_a_success_in_between_starts_the_count_anew(breakers: Breakers) -> None:
    for _ in range(5):
        breakers.fail(NODE, "broke", at_once=False)
        breakers.fail(NODE, "broke", at_once=False)
        breakers.succeed(NODE)
    assert is_ready(breakers)


def test_after_a_pause_one_trial_is_let_through(breakers: Breakers, clock: Clock) -> None:
    breakers.fail(NODE, "refused", at_once=True)
    clock.now += 0.9
    assert not is_ready(breakers)
    clock.now += 0.1
    assert is_ready(breakers)
    breakers.begin(NODE)
    assert not is_ready(breakers)


def test_a_trial_that_succeeds_ends_the_matter(breakers: Breakers, clock: Clock) -> None:
    breakers.fail(NODE, "refused", at_once=True)
    clock.now += 1
    breakers.begin(NODE)
    breakers.succeed(NODE)
    assert is_ready(breakers)
    assert not breakers


def test_a_trial_that_fails_doubles_the_pause_up_to_a_limit(
    breakers: Breakers, clock: Clock
) -> None:
    breakers.fail(NODE, "refused", at_once=True)
    for pause in (1, 2, 4, 8, 10, 10):
        clock.now += pause - 0.1
        assert not is_ready(breakers)
        clock.now += 0.1
        assert is_ready(breakers)
        breakers.begin(NODE)
        breakers.fail(NODE, "broke", at_once=False)


def test_a_trial_that_tells_nothing_makes_room_for_another(
    breakers: Breakers, clock: Clock
) -> None:
    breakers.fail(NODE, "refused", at_once=True)
    clock.now += 1
    breakers.begin(NODE)
    breakers.abandon(NODE)
    assert is_ready(breakers)


def test_calls_that_were_under_way_do_not_lengthen_the_pause(
    breakers: Breakers, clock: Clock
) -> None:
    for _ in range(10):
        breakers.fail(NODE, "refused", at_once=True)
    clock.now += 1
    assert is_ready(breakers)


def test_a_node_that_hangs_gets_no_trial_and_is_looked_at_instead(
    breakers: Breakers, clock: Clock
) -> None:
    breakers.condemn(NODE, "hangs")
    clock.now += 3600
    assert not is_ready(breakers)
    assert breakers.to_check() == [NODE]
    breakers.succeed(NODE)
    assert is_ready(breakers)
    assert breakers.to_check() == []


def test_a_node_that_hangs_and_then_refuses_gets_no_trial_either(
    breakers: Breakers, clock: Clock
) -> None:
    breakers.condemn(NODE, "hangs")
    breakers.fail(NODE, "refused", at_once=True, is_quick=True)
    clock.now += 3600
    assert not is_ready(breakers)


def test_nodes_that_sit_out_are_looked_at_ever_less_often(breakers: Breakers, clock: Clock) -> None:
    breakers.fail(NODE, "refused", at_once=True)
    looks = []
    for tenth in range(200):
        clock.now = 1000.0 + tenth / 10
        if breakers.to_check():
            looks.append(tenth / 10)
    assert looks == [0, 1, 3, 7, 12, 17]


def test_a_node_whose_connections_broke_once_is_not_looked_at(breakers: Breakers) -> None:
    breakers.fail(NODE, "broke", at_once=False)
    assert breakers.to_check() == []


def test_only_those_that_refuse_at_once_may_be_tried_for_want_of_another(
    breakers: Breakers,
) -> None:
    breakers.fail(NODE, "stopping", at_once=True, is_quick=True)
    breakers.fail(OTHER, "no answer", at_once=True)
    assert breakers.quick([NODE, OTHER]) == (NODE,)


def test_nodes_that_are_not_called_any_more_are_forgotten(breakers: Breakers) -> None:
    breakers.condemn(NODE, "hangs")
    breakers.keep_only([OTHER])
    assert not breakers
