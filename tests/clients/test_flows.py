"""The flows of the original's validator and load test against a real one-box."""

from typing import Any

import pytest

from tests.clients import load_test, validator

pytestmark = pytest.mark.any_database

PATHS = ("/services", "/sessions", "/snapshots")


@pytest.mark.r
def test_the_validator_finds_nothing_wrong_and_leaves_nothing_behind(one_box: Any) -> None:
    with one_box.client() as http:
        before = {path: http.get(path).json() for path in PATHS}
        said: list[str] = []
        validator.validate([one_box.url], "admin", one_box.admin_password, said.append)
        assert said[-1] == "compare the statuses"
        assert {path: http.get(path).json() for path in PATHS} == before


def test_no_answer_of_many_concurrent_calls_is_wrong(one_box: Any) -> None:
    outcome = load_test.run(one_box.url, "admin", one_box.admin_password, n_callers=50, n_calls=2)
    assert (outcome.n_right, outcome.wrong) == (100, [])
