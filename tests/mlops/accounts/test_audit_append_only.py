"""Entries of the audit trail are not changed, and only removed when they have expired."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts.audit import record
from mlops.accounts.models import AppendOnlyError, AuditEntry, AuditHorizon
from mlops.accounts.tasks import remove_expired_audit_entries

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry() -> AuditEntry:
    return entry_of(days_ago=0)


def entry_of(*, days_ago: int) -> AuditEntry:
    at = timezone.now() - timedelta(days=days_ago)
    return AuditEntry.objects.create(at=at, username="alice", action=f"of {days_ago} days ago")


def rows() -> list[object]:
    return list(AuditEntry.objects.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda entry: AuditEntry.objects.update(username="mallory"),
        lambda entry: AuditEntry.objects.all().delete(),
        lambda entry: AuditEntry.objects.bulk_update([entry], ["username"]),
        lambda entry: AuditEntry.objects.update_or_create(pk=entry.pk, defaults={"action": "x"}),
    ],
)
def test_code_cannot_change_or_delete(
    entry: AuditEntry, change: Callable[[AuditEntry], object]
) -> None:
    before = rows()
    entry.username = "mallory"
    with pytest.raises(AppendOnlyError), transaction.atomic():
        change(entry)
    assert rows() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET username = 'mallory'",
        "UPDATE accounts_auditentry SET at = '2001-01-01 00:00:00+00'",
        "DELETE FROM accounts_auditentry",
        "DELETE FROM accounts_auditentry WHERE username = 'alice'",
    ],
)
@pytest.mark.parametrize("horizon", [None, 1])
def test_the_database_refuses_statements_too(
    entry: AuditEntry, statement: str, horizon: int | None
) -> None:
    if horizon:
        AuditHorizon.objects.create(pk=1, at=timezone.now() - timedelta(days=horizon))
    before = rows()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert rows() == before


@pytest.mark.postgresql
def test_the_table_cannot_be_truncated(entry: AuditEntry) -> None:
    before = rows()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE accounts_auditentry")
    assert rows() == before


def test_an_entry_with_the_id_of_another_does_not_take_its_place(entry: AuditEntry) -> None:
    before = rows()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry(pk=entry.pk, at=entry.at, username="mallory", action="x").save()
    assert rows() == before


def test_expired_entries_are_removed_and_that_is_recorded(settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 30
    for days_ago in (29, 31, 400):
        entry_of(days_ago=days_ago)
    assert remove_expired_audit_entries() == 2
    removal, kept = AuditEntry.objects.all()
    assert kept.action == "of 29 days ago"
    assert (removal.action, removal.username) == ("remove audit entries", removal.address)
    assert removal.after is not None
    assert removal.after["entries"] == 2
    assert remove_expired_audit_entries() == 0
    assert AuditEntry.objects.count() == 2


def test_by_default_entries_are_kept_for_two_years() -> None:
    for days_ago in (729, 731):
        entry_of(days_ago=days_ago)
    assert remove_expired_audit_entries() == 1
    assert AuditEntry.objects.filter(action="of 729 days ago").exists()


def test_with_0_days_nothing_is_ever_removed(settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 0
    entry_of(days_ago=10_000)
    assert remove_expired_audit_entries() == 0
    assert AuditEntry.objects.count() == 1


def test_many_entries_are_removed_in_several_transactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlops.accounts.audit_retention._AT_ONCE", 2)
    for _ in range(5):
        entry_of(days_ago=1000)
    record("sign in", user="alice")
    assert remove_expired_audit_entries() == 5
    removals = AuditEntry.objects.filter(action="remove audit entries")
    assert sorted(each.after["entries"] for each in removals if each.after) == [1, 2, 2]
