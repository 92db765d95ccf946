"""Trying a version from its page."""

from typing import Any

import pytest
from django.test import Client

from mlops.accounts.models import User
from services.models import Service
from services.schema import Parameter
from tests.mlops.console.browser import csrf_token, open_browser, signed_in
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version

# The node's answer is fetched on another thread, which must see what the test has saved.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

TRY = "/console/service/churn/v1/try/"


def create_plus(user: User, code: str = "print('adding')\nanswer = x + 1") -> None:
    number = Parameter("x", "numeric"), Parameter("answer", "numeric")
    create_version(user, code=code, inputs=[number[0]], outputs=[number[1]])


def run(browser: Client, body: str) -> Any:
    token = csrf_token(browser.get("/console/signed-in/"))
    headers = {"X-CSRFToken": token, "X-Console": "1"}
    return browser.generic("POST", TRY, body, content_type="application/json", headers=headers)


def stages_in(header: str) -> dict[str, float]:
    parts = (part.split(";dur=") for part in header.split(", "))
    return {name: float(spent) for name, spent in parts}


def test_the_result_is_that_of_any_call(
    alice: User, rita: User, declared_node: RunningNode
) -> None:
    create_plus(alice)
    answer = run(signed_in("rita"), '{"x": 1.5}')
    assert answer.status_code == 200
    result = answer.json()
    assert result["success"] is True
    assert result["outputParameters"] == {"answer": 2.5}
    assert result["consoleOutput"] == "adding\n"


def test_it_tells_where_the_time_went(alice: User, declared_node: RunningNode) -> None:
    create_plus(alice)
    stages = stages_in(run(signed_in("alice"), '{"x": 1}')["Server-Timing"])
    assert list(stages) == ["queue", "load", "run", "other", "total"]
    assert min(stages.values()) >= 0
    parts = sum(stages.values()) - stages["total"]
    assert parts == pytest.approx(stages["total"], abs=0.01)


def test_code_that_fails_is_a_result_as_well(alice: User, declared_node: RunningNode) -> None:
    create_plus(alice, code="raise ValueError('no such luck')")
    answer = run(signed_in("alice"), '{"x": 1}')
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert "no such luck" in answer.json()["errorMessage"]


def test_inputs_that_do_not_fit_are_named(alice: User, declared_node: RunningNode) -> None:
    create_plus(alice)
    answer = run(signed_in("alice"), '{"x": "one"}')
    assert answer.status_code == 400
    assert "Input x (numeric)" in answer.content.decode()


def test_without_a_node_it_says_so(alice: User) -> None:
    create_plus(alice)
    answer = run(signed_in("alice"), '{"x": 1}')
    assert answer.status_code == 503
    assert answer.content.decode().startswith("No compute node is ready")


def test_who_may_not_call_it_is_refused(alice: User, bob: User) -> None:
    create_plus(alice)
    Service.objects.update(grants=[{"right": "consume", "kind": "user", "name": "alice"}])
    assert run(signed_in("bob"), '{"x": 1}').status_code == 403


def test_a_version_that_is_gone_is_not_found(alice: User) -> None:
    assert run(signed_in("alice"), "{}").status_code == 404


def test_who_is_not_signed_in_is_told_so() -> None:
    browser = open_browser()
    headers = {"X-Console": "1"}
    answer = browser.generic("POST", TRY, "{}", content_type="application/json", headers=headers)
    assert answer.status_code in (401, 403)
