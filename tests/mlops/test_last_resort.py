"""What callers get when a layer fails, or the database is away."""

import asyncio
import json
import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.test import RequestFactory

from mlops.correlation import Correlation
from mlops.last_resort import LastResort
from mlops.rest import exception_handler, server_error
from tests.mlops.layers import get, handed_in
from tests.services.api.exchange import ERROR_KEYS

FAULTS = [(OperationalError("gone"), 503), (InterfaceError("gone"), 503), (KeyError("x"), 500)]


def failing(fault: BaseException) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise fault

    return app


@pytest.mark.parametrize(("fault", "status"), [*FAULTS, (asyncio.CancelledError(), 503)])
def test_a_layer_that_fails_is_answered_with_the_error_object(
    fault: BaseException, status: int
) -> None:
    answer = get(Correlation(LastResort(failing(fault))))
    assert answer.status_code == status
    assert list(answer.json()) == ERROR_KEYS
    assert answer.json()["code"] == status
    is_retryable = status == 503 and not isinstance(fault, asyncio.CancelledError)
    assert answer.headers.get("retry-after") == ("1" if is_retryable else None)
    assert (answer.headers["correlationid"] in answer.text) == (status == 500)
    assert "gone" not in answer.text


@pytest.mark.parametrize("fault", [KeyError("x"), asyncio.CancelledError()], ids=repr)
def test_an_answer_that_has_begun_is_broken_off(fault: BaseException) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise fault

    with pytest.raises(type(fault)):
        get(LastResort(app))


def test_a_request_that_is_cancelled_after_its_answer_ends_well() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await handed_in(scope, receive, send)
        raise asyncio.CancelledError

    assert get(LastResort(app)).text == "handed in"


def test_what_comes_after_a_request_was_cancelled_is_not_sent() -> None:
    late: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        late.append(handed_in(scope, receive, send))
        raise asyncio.CancelledError

    answer = get(LastResort(app))
    asyncio.run(late[0])  # would fail: an answer is sent once
    assert "stopping" in answer.json()["message"]


@pytest.mark.parametrize(("fault", "status"), FAULTS)
def test_pages_outside_of_the_api_answer_it_as_well(fault: Exception, status: int) -> None:
    try:
        raise fault
    except Exception:  # noqa: BLE001 - as Django does
        answer = server_error(RequestFactory().get("/console/"))
    assert answer.status_code == status
    assert list(json.loads(answer.content)) == ERROR_KEYS


def test_a_view_without_its_database_answers_503_and_logs_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = exception_handler(OperationalError("the disk is full"), {})
    assert answer is not None
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert caplog.records[-1].levelno == logging.ERROR
    assert "the disk is full" in caplog.text


def test_a_fault_of_ours_in_a_query_stays_a_500() -> None:
    assert exception_handler(ProgrammingError("no such column"), {}) is None
