"""The flows of the original's validator and load test against a real one-box."""

from typing import Any

from tests.clients import load_test


def test_no_answer_of_many_concurrent_calls_is_wrong(one_box: Any) -> None:
    outcome = load_test.run(one_box.url, "admin", one_box.admin_password, n_callers=50, n_calls=2)
    assert (outcome.n_right, outcome.wrong) == (100, [])
