"""Where the time of a call goes: told to Owners who ask, and to nobody else."""

import json

import pytest

from mlops.accounts.models import User
from nodes.stopwatch import STAGES, routing_note, stages_of
from services.models import Version
from services.schema import Parameter
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version
from tests.services.test_lane_on_a_node import Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

BODY = b'{"x": 20}'
TOLERANCE_MS = 0.01  # of rounding


@pytest.fixture
def plus(alice: User, declared_node: RunningNode) -> Version:
    number = Parameter("x", "numeric"), Parameter("answer", "numeric")
    return create_version(
        alice, code="answer = x + 1", inputs=[number[0]], outputs=[number[1]], version="v1"
    )


def test_an_owner_who_asks_gets_the_five_stages(plus: Version, admin: User) -> None:
    answer = Caller(admin).post_as(f"/api/{plus}", BODY, **{"X-Timing": "stages"})
    assert answer.json()["outputParameters"] == {"answer": 21}
    stages = stages_of(answer.headers["Server-Timing"])
    assert stages.keys() == STAGES.keys()
    assert all(milliseconds >= 0 for milliseconds in stages.values())
    parts = sum(stages.values()) - stages["web"]
    assert 0 < parts <= stages["web"] + TOLERANCE_MS
    assert stages["load"] > 0
    assert stages["node"] > 0
    assert "X-Trace" not in answer.headers


def test_a_trace_tells_each_step_in_order(plus: Version, admin: User) -> None:
    answer = Caller(admin).post_as(f"/api/{plus}", BODY, **{"X-Timing": "trace"})
    spans = json.loads(answer.headers["X-Trace"])
    names = [span["name"] for span in spans]
    outer = [span["name"] for span in spans if not span["is_inner"]]
    assert outer[:4] == ["Token and permission", "Catalogue", "Body", "Routing"]
    assert outer[-1] == "Compute node"
    assert {"Create Shell", "Initialize Shell", "Compute Node Request"} <= set(names)
    assert "the only node" in spans[3]["note"]
    web = stages_of(answer.headers["Server-Timing"])["web"]
    for span in spans:
        assert span["start"] >= 0
        assert (span["start"] + span["seconds"]) * 1000 <= web + TOLERANCE_MS


@pytest.mark.parametrize("asked", ["stages", "trace"])
def test_others_get_the_plain_answer(plus: Version, alice: User, asked: str) -> None:
    answer = Caller(alice).post_as(f"/api/{plus}", BODY, **{"X-Timing": asked})
    assert answer.json()["outputParameters"] == {"answer": 21}
    assert not {"server-timing", "x-trace"} & set(answer.headers)


def test_an_owner_who_does_not_ask_gets_the_plain_answer(plus: Version, admin: User) -> None:
    answer = Caller(admin).post_as(f"/api/{plus}", BODY)
    assert not {"server-timing", "x-trace"} & set(answer.headers)


def test_calls_that_are_merged_are_measured_too(alice: User, declared_node: RunningNode) -> None:
    published = declared_node.publish(
        "import time; time.sleep(0.05); answer = x + 1",
        inputs=[("x", "numeric")],
        outputs=[("answer", "numeric")],
        row_independent=True,
    )
    answer = published.node.http.post(
        f"/v1/bundles/{published.id}/score", content=BODY, headers={"X-Laps": "1"}
    )
    laps = json.loads(answer.headers["X-Laps"])
    assert {name for name, _, _ in laps["laps"]} >= {"shell", "run"}
    assert sum(seconds for _, _, seconds in laps["laps"]) <= laps["seconds"] + 1e-5


def test_a_note_on_routing_says_why() -> None:
    cold = {"is_warm": False, "n_calls": 0, "burden": 1.0, "sits_out": False}
    warm = {**cold, "is_warm": True, "n_calls": 1}
    out = {**cold, "sits_out": True}
    assert "has run this version before" in routing_note({"a": warm, "b": cold}, "a")
    assert "1 call under way" in routing_note({"a": warm, "b": cold}, "a")
    assert "drawn at random" in routing_note({"a": cold, "b": cold}, "b")
    assert "sits out" in routing_note({"a": warm, "b": out}, "a")
