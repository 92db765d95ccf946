"""The batch calls; no node runs anything here, results are recorded as a worker would."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.batches import leases, reading
from services.batches.outcomes import Outcome
from services.models import Batch, BatchInput
from services.schema import Parameter
from tests.conftest import create_user
from tests.services.api.exchange import body_of, error_of
from tests.services.create import batch_rows, create_batch, create_version

pytestmark = pytest.mark.django_db

ClientFor = Callable[[User], APIClient]

PATH = "/api/churn/v1/batch"
START, LIST = "startBatchExecution", "getBatchExecutions"
STATUS, CANCEL = "getBatchExecutionStatus", "cancelAndDeleteBatchExecution"
FILES, FILE = "getBatchExecutionFiles", "getBatchExecutionFile"


@pytest.fixture(autouse=True)
def version(alice: User) -> None:
    create_version(alice, inputs=[Parameter("x", "numeric")], output_files=["b.bin", "a.txt"])


@pytest.fixture
def batch(bob: User) -> Batch:
    """Three items of bob, none of which has run."""
    return create_batch(bob)


@pytest.fixture
def bobs(bob: User, client_for: ClientFor) -> APIClient:
    return client_for(bob)


def result(y: float) -> dict[str, Any]:
    return {
        "success": True,
        "errorMessage": "",
        "consoleOutput": "",
        "changedFiles": [],
        "outputParameters": {"y": y},
        "outputFiles": {},
    }


def record(batch: Batch, *indexes: int, files: dict[str, bytes] | None = None) -> None:
    """What a worker does that ran these items."""
    now = timezone.now()
    grant = leases.claim(batch.pk, holder="w", n_slots=1, n_items=batch.n_items, now=now)
    assert grant
    outcomes = [
        Outcome(index, json.dumps(result(index), separators=(",", ":")).encode(), files or {})
        for index in indexes
    ]
    leases.exchange(batch.pk, grant.lease_id, outcomes=outcomes, n_slots=1, n_items=0, now=now)
    leases.release(grant.lease_id)


def start(client: APIClient, body: Any = None, query: str = "") -> Any:
    body = [{"x": 1}, {"x": 2}] if body is None else body
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic("POST", f"{PATH}{query}", raw, content_type="application/json")


def status_of(client: APIClient, batch: Batch, query: str = "") -> Any:
    return body_of(client.get(f"{PATH}/{batch.pk}{query}"), 200, STATUS)


# -- start ---------------------------------------------------------------------------------------


def test_starting_answers_with_the_id_in_both_spellings(bobs: APIClient) -> None:
    answer = body_of(start(bobs), 202, START)
    assert list(answer) == ["name", "version", "batchExecutionId", "BatchExecutionId"]
    batch = Batch.objects.get()
    assert answer == {
        "name": "churn",
        "version": "v1",
        "batchExecutionId": str(batch.pk),
        "BatchExecutionId": str(batch.pk),
    }
    assert (batch.state, batch.n_items, batch.parallel_count) == ("Ready", 2, 10)


def test_what_was_sent_is_stored_untouched(bobs: APIClient) -> None:
    start(bobs, b'[ {"x":1.0} ,{"x" : NaN}]')
    stored = BatchInput.objects.order_by("index").values_list("body", flat=True)
    assert [bytes(body) for body in stored] == [b'{"x":1.0}', b'{"x" : NaN}']


def test_a_reader_may_run_batches(rita: User, client_for: ClientFor) -> None:
    body_of(start(client_for(rita)), 202, START)


@pytest.mark.parametrize(
    ("query", "count"),
    [("?parallelCount=3", 3), ("?PARALLELCOUNT=7", 7), ("?parallelCount=999999", 100)],
)
def test_the_parallel_count_is_taken_and_clamped(bobs: APIClient, query: str, count: int) -> None:
    body_of(start(bobs, query=query), 202, START)
    assert Batch.objects.get().parallel_count == count


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "", "ten", "1e3", "9" * 5000])
def test_a_parallel_count_that_makes_no_sense_is_400(bobs: APIClient, count: str) -> None:
    error = error_of(start(bobs, query=f"?parallelCount={count}"), 400, START)
    assert error["fields"] == "parallelCount"
    assert not any(batch_rows().values())


@pytest.mark.parametrize(
    ("body", "named"),
    [(b"", "array"), ({"x": 1}, "array"), ([], "items"), ([{"x": 1}, {}], "Item 1"), (b"[{", "0")],
    ids=ascii,
)
def test_a_body_that_does_not_fit_is_400_and_nothing_is_stored(
    bobs: APIClient, body: Any, named: str
) -> None:
    assert named in error_of(start(bobs, body), 400, START)["message"]
    assert not any(batch_rows().values())


def test_more_items_than_the_setting_allows_are_400(bobs: APIClient, settings: Settings) -> None:
    settings.BATCH_MAX_ITEMS = 2
    body_of(start(bobs), 202, START)
    assert "2 items" in error_of(start(bobs, [{"x": 1}] * 3), 400, START)["message"]
    assert Batch.objects.count() == 1


def test_a_broker_that_is_away_does_not_keep_a_batch_from_starting(
    bobs: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops.celery import app

    monkeypatch.setattr(app.conf, "broker_write_url", "redis://:secret@127.0.0.1:1/0")
    monkeypatch.setattr(app, "_pool", None)
    body_of(start(bobs), 202, START)
    assert Batch.objects.get().state == "Ready"


# -- list and status -----------------------------------------------------------------------------


def test_the_list_has_the_callers_own_batches_of_the_version_oldest_first(
    batch: Batch, bob: User, alice: User, bobs: APIClient
) -> None:
    second = create_batch(bob)
    create_batch(alice)
    create_version(alice, version="v2")
    create_batch(bob, version="v2")
    assert body_of(bobs.get(PATH), 200, LIST) == [str(batch.pk), str(second.pk)]


def test_an_owner_sees_all_batches(batch: Batch, admin: User, client_for: ClientFor) -> None:
    client = client_for(admin)
    assert body_of(client.get(PATH), 200, LIST) == [str(batch.pk)]
    assert status_of(client, batch)["totalItemCount"] == 3


def test_a_batch_that_has_not_begun(batch: Batch, bobs: APIClient) -> None:
    status = status_of(bobs, batch)
    assert list(status.items()) == [
        ("state", "Ready"),
        ("completedItemCount", 0),
        ("totalItemCount", 3),
        ("parallelCount", 10),
        ("batchExecutionResults", [None, None, None]),
    ]


def test_partial_results_stand_at_their_index(batch: Batch, bobs: APIClient) -> None:
    record(batch, 1)
    status = status_of(bobs, batch)
    assert (status["state"], status["completedItemCount"]) == ("InProgress", 1)
    assert status["batchExecutionResults"] == [None, result(1), None]


@pytest.mark.parametrize("name", ["showPartialResult", "showPartialResults", "SHOWPARTIALRESULTS"])
@pytest.mark.parametrize("value", ["false", "False"])
def test_partial_results_can_be_left_out(
    batch: Batch, bobs: APIClient, name: str, value: str
) -> None:
    record(batch, 1)
    assert status_of(bobs, batch, f"?{name}={value}")["batchExecutionResults"] == []
    assert status_of(bobs, batch, f"?{name}=TRUE")["batchExecutionResults"][1] == result(1)


def test_a_complete_batch_shows_its_results_in_any_case(batch: Batch, bobs: APIClient) -> None:
    record(batch, 2, 0, 1)
    status = status_of(bobs, batch, "?showPartialResults=false")
    assert status["state"] == "Complete"
    assert status["batchExecutionResults"] == [result(0), result(1), result(2)]


def test_a_switch_that_is_none_is_400(batch: Batch, bobs: APIClient) -> None:
    error_of(bobs.get(f"{PATH}/{batch.pk}?showPartialResults=maybe"), 400, STATUS)


def test_many_results_come_in_pieces_that_fit_together(
    bob: User, bobs: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAGE_BYTES", 500)
    monkeypatch.setattr(reading, "_ROWS_AT_ONCE", 7)
    batch = create_batch(bob, n_items=40)
    there = [index for index in range(40) if index % 5]
    record(batch, *there)
    results = status_of(bobs, batch)["batchExecutionResults"]
    assert results == [result(index) if index % 5 else None for index in range(40)]


def test_results_that_came_while_the_status_was_read_are_not_counted_half(
    batch: Batch, bobs: APIClient
) -> None:
    record(batch, 0)
    pieces = reading.status_json(batch.pk, shows_partial=True)
    record(batch, 1)
    status = json.loads(b"".join(pieces))
    assert status["completedItemCount"] == 1
    assert status["batchExecutionResults"] == [result(0), None, None]


def test_a_broken_batch_is_failed(batch: Batch, bobs: APIClient) -> None:
    Batch.objects.update(error="Broken.", finished_at=timezone.now() + timedelta(seconds=1))
    assert status_of(bobs, batch)["state"] == "Failed"


def test_a_browser_gets_the_status_on_a_page(batch: Batch, bob: User) -> None:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(bob)
    page = client.get(f"{PATH}/{batch.pk}")
    assert page["Content-Type"].startswith("text/html")
    assert b"completedItemCount" in page.content


# -- files ---------------------------------------------------------------------------------------


def test_the_files_of_an_item_are_listed_and_sent_as_they_are(
    batch: Batch, bobs: APIClient
) -> None:
    content = bytes(range(256)) * 5000  # more than one piece
    record(batch, 2, files={"b.bin": content, "a.txt": b""})
    assert body_of(bobs.get(f"{PATH}/{batch.pk}/2/files"), 200, FILES) == ["b.bin", "a.txt"]
    for name, expected in (("b.bin", content), ("a.txt", b"")):
        response = bobs.get(f"{PATH}/{batch.pk}/2/files/{name}")
        assert response.status_code == 200
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Length"] == str(len(expected))
        assert b"".join(response.streaming_content) == expected


def test_an_item_without_files_has_an_empty_list(batch: Batch, bobs: APIClient) -> None:
    record(batch, 0)
    for index in (0, 1):  # one that has run, one that has not
        assert body_of(bobs.get(f"{PATH}/{batch.pk}/{index}/files"), 200, FILES) == []


@pytest.mark.parametrize("name", ["other.txt", "%00", "..%2Fa.txt"])
def test_an_unknown_file_is_404(batch: Batch, bobs: APIClient, name: str) -> None:
    record(batch, 0, files={"a.txt": b"a"})
    error_of(bobs.get(f"{PATH}/{batch.pk}/0/files/{name}"), 404, FILE)


@pytest.mark.parametrize(
    ("index", "status"), [("3", 404), ("-1", 404), ("9" * 18, 404), ("x", 400), ("1.0", 400)]
)
def test_an_index_outside_of_the_batch_is_refused(
    batch: Batch, bobs: APIClient, index: str, status: int
) -> None:
    error_of(bobs.get(f"{PATH}/{batch.pk}/{index}/files"), status, FILES)
    error_of(bobs.get(f"{PATH}/{batch.pk}/{index}/files/a.txt"), status, FILE)


# -- cancel --------------------------------------------------------------------------------------


def test_cancelling_removes_everything(batch: Batch, bobs: APIClient) -> None:
    record(batch, 0, files={"a.txt": b"a"})
    assert body_of(bobs.delete(f"{PATH}/{batch.pk}"), 200, CANCEL) == [str(batch.pk)]
    assert not any(batch_rows().values())
    error_of(bobs.delete(f"{PATH}/{batch.pk}"), 404, CANCEL)
    error_of(bobs.get(f"{PATH}/{batch.pk}"), 404, STATUS)
    assert body_of(bobs.get(PATH), 200, LIST) == []


# -- who may see what ----------------------------------------------------------------------------


def calls(batch_id: Any, path: str = PATH) -> list[tuple[str, str, str]]:
    return [
        ("GET", f"{path}/{batch_id}", STATUS),
        ("GET", f"{path}/{batch_id}/0/files", FILES),
        ("GET", f"{path}/{batch_id}/0/files/a.txt", FILE),
        ("DELETE", f"{path}/{batch_id}", CANCEL),
    ]


@pytest.mark.parametrize("unknown", [uuid.uuid4(), "not-an-id", "%00"])
def test_an_unknown_batch_is_404(bobs: APIClient, unknown: Any) -> None:
    for method, path, operation in calls(unknown):
        error_of(bobs.generic(method, path), 404, operation)


def test_a_batch_is_not_found_below_another_version(
    batch: Batch, alice: User, bobs: APIClient
) -> None:
    create_version(alice, version="v2")
    for method, path, operation in calls(batch.pk, "/api/churn/v2/batch"):
        error_of(bobs.generic(method, path), 404, operation)


@pytest.mark.parametrize(
    "path", ["/api/churn/v9/batch", "/api/other/v1/batch", "/api/%00/v1/batch"]
)
def test_an_unknown_version_is_404(batch: Batch, bobs: APIClient, path: str) -> None:
    error_of(bobs.post(path, [{"x": 1}], format="json"), 404, START)
    error_of(bobs.get(path), 404, LIST)
    error_of(bobs.get(f"{path}/{batch.pk}"), 404, STATUS)


def test_with_its_version_a_batch_is_gone(
    batch: Batch, alice: User, bobs: APIClient, client_for: ClientFor
) -> None:
    client_for(alice).delete("/services/churn/v1")
    create_version(alice, inputs=[Parameter("x", "numeric")])  # another one of the same name
    error_of(bobs.get(f"{PATH}/{batch.pk}"), 404, STATUS)
    assert body_of(bobs.get(PATH), 200, LIST) == []


@pytest.mark.parametrize("caller", ["nobody", "without a role"])
def test_the_calls_need_a_token_and_a_role(
    batch: Batch, declared_groups: None, client_for: ClientFor, caller: str
) -> None:
    known = caller != "nobody"
    client, status = (client_for(create_user("mallory")), 403) if known else (APIClient(), 401)
    before = batch_rows()
    error_of(start(client), status, START)
    error_of(client.get(PATH), status, LIST)
    for method, path, operation in calls(batch.pk):
        error_of(client.generic(method, path), status, operation)
    assert batch_rows() == before
