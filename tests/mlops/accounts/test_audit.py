"""What an entry of the audit trail says, and that it comes with its change or not at all."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from mlops.accounts import audit, tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.audit import REFUSALS_OF_ALL, REFUSALS_OF_ONE, record, record_change
from mlops.accounts.models import AuditEntry, User
from mlops.correlation import correlated
from mlops.errors import Forbidden
from services.actions.delete import delete_version
from services.models import Version
from tests.mlops.console.browser import signed_in
from tests.services.create import create_version, published

ClientFor = Callable[[User], APIClient]


def last() -> AuditEntry:
    entry = AuditEntry.objects.first()
    assert entry is not None
    return entry


def refuse(times: int = 1, *, user: str = "rita") -> None:
    for _ in range(times):
        record("publish version", user=user, outcome=audit.REFUSED, reason="No.")


def test_an_entry_says_who_did_what_when(alice: User) -> None:
    with correlated("an-id"):
        record(
            "configure pool", user=alice, object="churn/v1", before={"size": 1}, after={"size": 2}
        )
    entry = last()
    assert (entry.username, entry.action, entry.object) == ("alice", "configure pool", "churn/v1")
    assert (entry.before, entry.after, entry.outcome) == ({"size": 1}, {"size": 2}, "success")
    assert entry.correlation_id == "an-id"
    assert timezone.now() - entry.at < timedelta(minutes=1)


def test_outside_of_requests_it_is_the_account_that_runs_the_program(alice: User) -> None:
    record("publish version", user=alice)
    assert last().address.startswith("os:")
    assert last().login_session_id == ""


def test_an_api_call_is_known_by_its_address_and_login(alice: User) -> None:
    pair = tokens.issue(alice)
    create_version(alice)
    APIClient(REMOTE_ADDR="192.0.2.7").delete(
        "/services/churn/v1", headers={"Authorization": f"Bearer {pair.access_token}"}
    )
    entry = last()
    assert (entry.action, entry.username, entry.address) == ("delete version", "alice", "192.0.2.7")
    assert entry.login_session_id == pair.login_session_id


def test_what_one_browser_session_does_is_known_by_one_login(alice: User) -> None:
    browser = signed_in("alice")
    login = browser.session["login_session_id"]
    assert len(login) == 128
    browser.post("/console/logout/", {"csrfmiddlewaretoken": browser.cookies["csrftoken"].value})
    assert (last().action, last().username, last().login_session_id) == ("sign out", "alice", login)
    assert signed_in("alice").session["login_session_id"] != login


def test_of_a_change_only_what_differs_is_kept(alice: User) -> None:
    record_change(
        "change version",
        user=alice,
        object="churn/v1",
        before={"a": 1, "b": 2, "c": 3},
        after={"a": 1, "b": 4, "d": 5},
    )
    assert last().before == {"b": 2, "c": 3, "d": None}
    assert last().after == {"b": 4, "c": None, "d": 5}


def test_of_code_only_the_fingerprint_is_kept(alice: User) -> None:
    create_version(alice, code="password = 'hunter2'", init_code="key = 'hunter2'")
    assert "hunter2" not in json.dumps(list(AuditEntry.objects.values()), default=str)
    kept = last().after
    assert kept is not None
    assert kept["code"]["bytes"] == len("password = 'hunter2'")
    assert len(kept["code"]["sha256"]) == 64


def test_a_large_member_is_kept_as_its_fingerprint(alice: User) -> None:
    create_version(alice, description="x" * 10_000)
    kept = last().after
    assert kept is not None
    assert set(kept["description"]) == {"sha256", "bytes"}


@pytest.mark.django_db
def test_text_that_no_database_takes_is_spelled_out() -> None:
    record("sign in", user="a\0\ud800" + "b" * 300, object="\0")
    assert last().username.startswith("a\\x00\\ud800bbb")
    assert (len(last().username), last().object) == (256, "\\x00")


def test_a_change_whose_entry_cannot_be_written_does_not_happen(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_version(alice)
    before = published()

    def failing(**fields: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(AuditEntry.objects, "create", failing)
    with pytest.raises(OSError, match="no room"), transaction.atomic():
        delete_version(user=alice, name="churn", version="v1")
    assert published() == before


def test_a_refused_action_leaves_its_refusal_and_nothing_else(alice: User, bob: User) -> None:
    create_version(alice)
    before = published()
    with pytest.raises(Forbidden):
        delete_version(user=bob, name="churn", version="v1")
    assert published() == before
    entry = last()
    assert (entry.username, entry.action, entry.object) == ("bob", "delete version", "churn/v1")
    assert (entry.outcome, entry.before, entry.after) == ("refused", None, None)
    assert entry.reason.startswith("Only alice, as a Contributor, ")


def test_a_refused_call_is_noted_once(alice: User, bob: User, client_for: ClientFor) -> None:
    create_version(alice)
    assert client_for(bob).delete("/services/churn/v1").status_code == 403
    assert AuditEntry.objects.filter(outcome="refused", object="churn/v1").count() == 1


def test_a_key_for_services_only_is_refused_under_the_name_of_its_account(alice: User) -> None:
    create_version(alice)
    before = published()
    key = create_api_key(user=alice, name="own", services=["churn"])
    refused = APIClient().delete(
        "/services/churn/v1", headers={"Authorization": f"Bearer {key.text}"}
    )
    assert refused.status_code == 403
    assert published() == before
    entry = last()
    assert (entry.username, entry.action, entry.outcome) == ("alice", "delete version", "refused")


@pytest.mark.django_db
def test_a_loop_of_refused_calls_does_not_fill_the_trail() -> None:
    refuse(REFUSALS_OF_ONE - 1)
    assert last().reason == "No."
    refuse(5)
    assert AuditEntry.objects.count() == REFUSALS_OF_ONE
    assert "left out" in last().reason
    refuse(user="mallory")
    assert last().username == "mallory"


@pytest.mark.django_db
def test_a_loop_under_many_names_does_not_fill_the_trail() -> None:
    for number in range(REFUSALS_OF_ALL + 5):
        refuse(user=f"user{number}")
    assert AuditEntry.objects.count() == REFUSALS_OF_ALL
    record("publish version", user="alice")
    assert last().username == "alice"


@pytest.mark.django_db
def test_after_a_minute_refusals_are_noted_again() -> None:
    long_ago = timezone.now() - timedelta(seconds=61)
    AuditEntry.objects.bulk_create(
        AuditEntry(at=long_ago, username="rita", action="x", outcome="refused", address=origin())
        for _ in range(REFUSALS_OF_ONE)
    )
    refuse()
    assert last().reason == "No."


def origin() -> str:
    record("x", user="")
    return last().address


def test_scoring_and_reading_are_not_audited(
    transactional_db: None,
    alice: User,
    rita: User,
    client_for: ClientFor,
    declared_node: object,
) -> None:
    create_version(alice, code="answer = 1", inputs=[], outputs=[])
    n_entries = AuditEntry.objects.count()
    for client in (client_for(rita), signed_in("rita")):
        assert client.get("/services").status_code == 200
    assert client_for(rita).post("/api/churn/v1", {}, format="json").status_code == 200
    assert AuditEntry.objects.exclude(action="sign in").count() == n_entries
    assert Version.objects.count() == 1
