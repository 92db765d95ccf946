"""The correlation id: one for each request, in the answer, the logs and the calls to nodes."""

import logging
import re

import httpx
import pytest

from mlops.accounts.models import User
from mlops.correlation import Correlation, CorrelationInLog, correlated, current_id
from tests.mlops.layers import get, handed_in
from tests.nodes.web import WebNode
from tests.services.create import create_version
from tests.services.scripted_node import ScriptedNode
from tests.services.test_lane import post, succeed, token_of

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def id_of(answer: httpx.Response) -> str:
    found = answer.headers.get_list("correlationid")
    assert len(found) == 1
    assert GUID.fullmatch(found[0])
    return str(found[0])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 200),
        ("GET", "/static/console/console.css", 200),
        ("GET", "/nothing/here", 404),
        ("GET", "/services", 401),
        ("POST", "/api/no/v1", 401),  # answered by the view
        ("PUT", "/ping?x=%FF", 200),
        ("GET", "/", 302),
    ],
)
def test_every_answer_has_an_id(web_node: WebNode, method: str, path: str, status: int) -> None:
    answer = web_node.http.request(method, path)
    assert answer.status_code == status
    assert id_of(answer)


def test_the_answers_of_the_layers_around_django_have_an_id_too(web_node: WebNode) -> None:
    forged = {"Authorization": "Bearer x"}
    from_the_lane = web_node.http.post("/api/no/v1", headers=forged)
    from_the_limit = web_node.http.post("/services/a", content=bytes(1024**2 + 1))
    assert (from_the_lane.status_code, from_the_limit.status_code) == (401, 401)
    assert id_of(from_the_lane) != id_of(from_the_limit)


def test_callers_cannot_choose_it(web_node: WebNode) -> None:
    chosen = {"CorrelationId": "mine", "X-Correlation-Id": "mine"}
    assert id_of(web_node.http.get("/ping", headers=chosen)) != "mine"


@pytest.mark.django_db(transaction=True)
def test_the_node_gets_the_id_that_the_caller_gets(alice: User) -> None:
    create_version(alice)
    node = ScriptedNode(score=succeed)
    answer = post("/api/churn/v1", token=token_of(alice), node=node)
    expected = f"X-Correlation-Id: {id_of(answer)}\r\n".encode()
    assert [expected in head for head in node.heads] == [True] * len(node.heads)
    assert node.n_pushes == 1


def test_layers_inside_see_it_in_the_scope_and_in_the_context() -> None:
    inside: list[str] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        inside.extend([scope["state"]["correlation_id"], current_id()])
        await handed_in(scope, receive, send)

    answered = id_of(get(Correlation(app)))
    assert inside == [answered, answered]
    assert current_id() == ""


def test_log_lines_name_it_within_a_request_only() -> None:
    record = logging.makeLogRecord({"msg": "any"})
    with correlated("an-id"):
        assert CorrelationInLog().filter(record)
    assert record.__dict__["correlation"] == " [an-id]"
    CorrelationInLog().filter(record)
    assert record.__dict__["correlation"] == ""
