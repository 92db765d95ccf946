"""The whole way of a scoring call: real token, real application, real compute node."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from mlops.accounts import tokens
from mlops.accounts.models import User
from mlops.asgi import application
from nodes.compute_node import close_connections
from services.actions.patch import patch_version
from services.schema import Definition, Parameter
from tests.nodes.runtime.running import RunningNode
from tests.services.api.exchange import ERROR_KEYS
from tests.services.create import create_version

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = [Parameter("x", "numeric")]
INTEGER = [Parameter("x", "integer")]
ANSWER = [Parameter("answer", "numeric")]


class Caller:
    """Somebody with a token, calling the real application."""

    def __init__(self, user: User) -> None:
        self._token = tokens.issue(user).access_token

    def post(self, path: str, *bodies: Any) -> list[httpx.Response]:
        """The answers to one call for each body, made at the same time."""

        async def main() -> list[httpx.Response]:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=application),
                base_url="http://web",
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=120,
            ) as client:
                try:
                    calls: list[Coroutine[Any, Any, httpx.Response]] = [
                        client.post(path, json=body) for body in bodies
                    ]
                    return await asyncio.gather(*calls)
                finally:
                    await close_connections()

        return async_to_sync(main)()

    def post_as(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        """The answer to a body that is no JSON, or to a caller who wants none."""

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
                try:
                    bearer = {"authorization": f"Bearer {self._token}"}
                    return await client.post(path, content=body, headers={**bearer, **headers})
                finally:
                    await close_connections()

        return async_to_sync(main)()

    def outputs(self, path: str, *bodies: Any) -> list[Any]:
        """The output parameters of calls that succeed."""
        results = [response.json() for response in self.post(path, *bodies)]
        assert [result["errorMessage"] for result in results] == [""] * len(bodies)
        return [result["outputParameters"] for result in results]


@pytest.fixture
def caller(bob: User, declared_node: RunningNode) -> Caller:
    return Caller(bob)


def test_python_answers(alice: User, caller: Caller) -> None:
    create_version(alice, code="answer = x + 1", inputs=NUMBER, outputs=ANSWER)
    assert caller.outputs("/api/churn/v1", {"x": 1.5}) == [{"answer": 2.5}]


@pytest.mark.r
def test_r_answers(alice: User, caller: Caller) -> None:
    create_version(alice, code="answer <- x + 1", runtime_type="R", inputs=NUMBER, outputs=ANSWER)
    assert caller.outputs("/api/churn/v1", {"x": 1.5}) == [{"answer": 2.5}]


def test_a_frame_comes_and_goes_as_csv(alice: User, caller: Caller) -> None:
    create_version(
        alice,
        code="answer = table * 2 if 'x' in table else oops",
        inputs=[Parameter("table", "data.frame")],
        outputs=[Parameter("answer", "data.frame")],
    )
    csv = {"content-type": "text/csv", "accept": "text/csv"}
    response = caller.post_as("/api/churn/v1", b"x\n1\n2.5\n", **csv)
    assert (response.status_code, response.text) == (200, "x\n2.0\n5.0\n")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    response = caller.post_as("/api/churn/v1", b"y\n1\n", **csv)
    assert response.status_code == 422
    assert list(response.json()) == ERROR_KEYS
    assert "oops" in response.json()["message"]
    response = caller.post_as("/api/churn/v1", b"y\n1\n", **{"content-type": "text/csv;charset=x"})
    assert (response.status_code, response.json()["exceptionType"]) == (415, "UnsupportedFormat")


def test_concurrent_callers_see_nothing_of_each_other(alice: User, caller: Caller) -> None:
    create_version(
        alice,
        code="seen = globals().get('secret')\nsecret = x\nprint(x)\nanswer = secret",
        inputs=INTEGER,
        outputs=[*ANSWER, Parameter("seen", "numeric")],
    )
    bodies = [{"x": number} for number in range(8)]
    results = [response.json() for response in caller.post("/api/churn/v1", *bodies)]
    for number, result in enumerate(results):
        assert result["outputParameters"] == {"answer": number, "seen": None}
        assert result["consoleOutput"] == f"{number}\n"


def test_a_patch_counts_for_the_next_call(alice: User, caller: Caller) -> None:
    create_version(alice, code="answer = x + 1", inputs=NUMBER, outputs=ANSWER)
    caller.outputs("/api/churn/v1", {"x": 1})
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="answer = 0"))
    assert caller.outputs("/api/churn/v1", {"x": 1}) == [{"answer": 0}]


def test_files_come_back_in_base64(alice: User, caller: Caller) -> None:
    create_version(
        alice, code="open('note.txt', 'w').write('hello')", output_files=["note.txt", "none.txt"]
    )
    (response,) = caller.post("/api/churn/v1", {})
    assert response.json()["outputFiles"] == {"note.txt": "aGVsbG8="}
    assert response.json()["changedFiles"] == ["note.txt"]


def test_code_that_fails_is_a_result(alice: User, caller: Caller) -> None:
    create_version(alice, code="raise ValueError('no such customer')")
    (response,) = caller.post("/api/churn/v1", {})
    assert response.status_code == 200
    assert response.json()["success"] is False
    assert "no such customer" in response.json()["errorMessage"]


def test_a_missing_input_is_400_and_named(alice: User, caller: Caller) -> None:
    create_version(alice, code="answer = x", inputs=NUMBER)
    (response,) = caller.post("/api/churn/v1", {"y": 1})
    assert response.status_code == 400
    assert list(json.loads(response.content)) == ERROR_KEYS
    assert response.json()["fields"] == "x"
