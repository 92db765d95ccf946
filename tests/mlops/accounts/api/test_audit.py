"""GET /audit."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mlops.accounts.models import AuditEntry, User

ClientFor = Callable[[User], APIClient]
NOW = timezone.now()


@pytest.fixture
def client(admin: User, client_for: ClientFor) -> APIClient:
    return client_for(admin)


def entry(**fields: Any) -> AuditEntry:
    values = {"at": NOW, "username": "alice", "action": "publish version", "outcome": "success"}
    return AuditEntry.objects.create(**(values | fields))


def found(client: APIClient, **query: Any) -> list[int]:
    response = client.get("/audit", query)
    assert response.status_code == 200, response.content
    return [each["id"] for each in response.json()["entries"]]


def text_of(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def test_an_entry_is_told_whole(client: APIClient) -> None:
    one = entry(
        object="churn/v1",
        before={"a": 1},
        after={"a": [2]},
        address="192.0.2.7",
        login_session_id="AB",
        correlation_id="cd",
    )
    body = client.get("/audit", {"object": "churn"}).json()
    assert body == {
        "entries": [
            {
                "id": one.pk,
                "at": NOW.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "user": "alice",
                "action": "publish version",
                "object": "churn/v1",
                "outcome": "success",
                "reason": "",
                "before": {"a": 1},
                "after": {"a": [2]},
                "address": "192.0.2.7",
                "loginSessionId": "AB",
                "correlationId": "cd",
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"user": "bob"}, {"bob's"}),
        ({"USER": "bob"}, {"bob's"}),
        ({"action": "delete version"}, {"deletion"}),
        ({"outcome": "refused"}, {"refusal"}),
        ({"object": "churn"}, {"bob's", "deletion", "batch"}),
        ({"object": "churn/v1"}, {"deletion", "batch"}),
        ({"object": "churn/v1", "user": "bob"}, set()),
        ({"from": "2001-01-01", "to": "2001-01-02"}, {"old"}),
        ({"from": "2001-01-01T13:00:00+01:00", "to": "2001-01-01T12:00:01"}, {"old"}),
        ({"from": "2001-01-01T12:00:01Z", "to": "2001-01-02"}, set()),
        ({"before": 1}, set()),
    ],
)
def test_entries_are_filtered(client: APIClient, query: dict[str, Any], expected: set[str]) -> None:
    entries = {
        "bob's": entry(username="bob", object="churn/v10"),
        "deletion": entry(action="delete version", object="churn/v1"),
        "batch": entry(action="start batch", object="churn/v1 batch 1"),
        "refusal": entry(outcome="refused", object="other/v1"),
        "old": entry(at=datetime.fromisoformat("2001-01-01T12:00:00+00:00"), object="x"),
    }
    names = {one.pk: name for name, one in entries.items()}
    assert {names[pk] for pk in found(client, **query)} == expected


def test_pages_follow_each_other_by_id(client: APIClient) -> None:
    ids = [entry().pk for _ in range(5)]
    first = client.get("/audit", {"user": "alice", "limit": 2}).json()
    assert [each["id"] for each in first["entries"]] == [ids[4], ids[3]]
    entry()  # what comes meanwhile moves nothing
    second = client.get("/audit", {"user": "alice", "limit": 2, "before": first["next"]}).json()
    assert [each["id"] for each in second["entries"]] == [ids[2], ids[1]]
    third = client.get("/audit", {"user": "alice", "limit": 2, "before": second["next"]}).json()
    assert ([each["id"] for each in third["entries"]], third["next"]) == ([ids[0]], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"outcome": "maybe"}, "outcome"),
        ({"from": "yesterday"}, "from,to"),
        ({"to": "2026-13-01"}, "from,to"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"before": "-1"}, "before"),
        ({"before": "9" * 30}, "before"),
    ],
)
def test_what_cannot_be_understood_is_400(
    client: APIClient, query: dict[str, str], field: str
) -> None:
    response = client.get("/audit", query)
    assert (response.status_code, response.json()["fields"]) == (400, field)


def test_csv_has_all_that_matches(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.accounts.audit_reading._ROWS_AT_ONCE", 2)
    ids = [entry(object=f"churn/v{number}", after={"a": "ü"}).pk for number in range(5)]
    response = client.get("/audit", {"object": "churn"}, headers={"Accept": "text/csv"})
    assert response["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(text_of(response))))
    assert [int(row["id"]) for row in rows] == ids[::-1]
    assert (rows[0]["object"], rows[0]["after"], rows[0]["before"]) == (
        "churn/v4",
        '{"a": "ü"}',
        "",
    )


def test_no_spreadsheet_takes_a_cell_of_the_csv_for_a_formula(client: APIClient) -> None:
    entry(username="x", object="=1+1")
    response = client.get("/audit", {"user": "x"}, headers={"Accept": "text/csv"})
    assert ",'=1+1," in text_of(response)


def test_others_than_owners_are_403(alice: User, rita: User, client_for: ClientFor) -> None:
    for user in (alice, rita):
        for accept in ("*/*", "text/csv"):
            response = client_for(user).get("/audit", headers={"Accept": accept})
            assert (response.status_code, response["Content-Type"]) == (403, "application/json")


def test_a_page_of_a_long_trail_takes_a_bounded_number_of_queries(
    client: APIClient, django_assert_num_queries: Any
) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(at=NOW - timedelta(days=1), username="bob", action="x", outcome="success")
        for _ in range(300)
    )
    with django_assert_num_queries(3):  # two for the sign-in
        assert len(found(client)) == 100
