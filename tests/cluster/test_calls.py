"""What calls say of a failure."""

import dataclasses
import json
import math
from pathlib import Path

from tests.cluster.calls import Call, Trouble, judge, problem_of, read, write
from tests.cluster.report import table
from tests.cluster.scenarios import SCENARIOS
from tests.cluster.services import QUICK, REALTIME

LOST = "500 NodeFailure"
KILLED = Trouble("compute1", "10.77.0.2", 100.0, 110.0)


def answered(begin: float, node: str, seconds: float = 0.2) -> Call:
    return Call("quick", begin, begin + seconds, 200, node=node)


def failed(begin: float, address: str, problem: str = LOST) -> Call:
    text = f"Compute node {address}:12805 closed the connection before it had answered."
    return Call("quick", begin, begin + 0.1, 500, problem, text)


def test_calls_under_way_on_the_lost_node_count_apart_from_those_sent_there_later() -> None:
    calls = [failed(99.9, "10.77.0.2"), failed(100.1, "10.77.0.2"), failed(100.2, "10.77.0.21")]
    outcome = judge(calls, KILLED)
    assert (outcome.n_failures, outcome.n_in_flight, outcome.n_sent_later) == (3, 1, 1)
    assert outcome.problems == {LOST: 3}


def test_a_call_that_was_never_handed_over_was_not_given_to_the_node() -> None:
    outcome = judge([failed(105.0, "10.77.0.2", "503 Busy"), answered(112, "compute2")], KILLED)
    assert (outcome.n_failures, outcome.n_sent_later, outcome.stopped_after) == (1, 0, 0.0)


def test_times_go_from_the_trouble_to_the_last_call_and_from_the_repair_to_the_first() -> None:
    calls = [answered(99, "compute1"), failed(102.5, "10.77.0.2"), answered(113, "compute1")]
    outcome = judge(calls, KILLED)
    assert outcome.stopped_after == 2.5
    assert outcome.used_again_after == 3.0


def test_a_node_that_gets_calls_all_the_time_never_stopped() -> None:
    calls = [answered(90.0 + i, "compute1") for i in range(40)]
    assert judge(calls, KILLED).stopped_after == math.inf
    removed = dataclasses.replace(KILLED, ended_at=math.inf)
    assert judge(calls, removed).stopped_after == math.inf
    assert judge(calls, removed).used_again_after is None


def test_where_nothing_is_to_stop_there_is_no_time_for_it() -> None:
    calls = [answered(100.5, "compute1")]
    added = dataclasses.replace(KILLED, ended_at=100.0)
    assert judge(calls, added).stopped_after is None
    assert judge(calls, added).used_again_after == 0.5
    assert judge(calls, Trouble()).stopped_after is None


def test_calls_that_a_web_node_had_when_it_was_killed_are_those_that_broke() -> None:
    trouble = Trouble("web1", "10.77.0.11", 100.0, 110.0, is_web=True)
    broken = Call("quick", 99.9, 100.0, problem="connection broke")
    outcome = judge([broken, Call("quick", 101, 101.1, 200, web="web2")], trouble)
    assert (outcome.n_failures, outcome.n_in_flight) == (1, 1)


def test_wrong_answers_and_long_ones_are_counted() -> None:
    wrong = Call("quick", 1.0, 1.1, 200, "wrong")
    outcome = judge([wrong, answered(1, "compute1", 5.0)], Trouble())
    assert (outcome.n_wrong, outcome.n_held_up, outcome.longest) == (1, 1, 5.0)


def test_an_error_of_the_product_is_told_from_one_of_the_load_balancer() -> None:
    error = {"exceptionType": "NodeFailure", "message": "Compute node lost."}
    assert problem_of(500, json.dumps(error).encode()) == (LOST, "Compute node lost.")
    assert problem_of(502, b"<html>")[0] == "502 of the load balancer"


def test_answers_are_right_for_their_own_number_only() -> None:
    body = b'{"success":true,"outputParameters":{"answer":11,"node":"compute3"}}'
    assert QUICK.read(5, body) == (True, "compute3")
    assert QUICK.read(6, body) == (False, "compute3")
    body = b'{"success":true,"outputParameters":{"outputData":{"y":[6.0]}}}'
    assert REALTIME.read(5, body) == (True, "")
    assert REALTIME.read(4, body) == (False, "")


def test_calls_are_read_as_they_were_written(tmp_path: Path) -> None:
    calls = [answered(1, "compute1"), failed(2, "10.77.0.2")]
    write(str(tmp_path / "calls"), calls)
    assert read(tmp_path / "calls") == calls


def test_the_table_has_what_was_skipped_and_what_failed() -> None:
    kill, drain = SCENARIOS[1], SCENARIOS[7]
    text = table([(kill, judge([failed(99.9, "10.77.0.2")], KILLED)), (drain, "no such command")])
    assert f"| {kill.title} | 1 | 1 | 1 |" in text
    assert f"| {drain.title}: skipped, no such command |" in text
    assert f"- {kill.title}: 1 times 500 NodeFailure" in text
