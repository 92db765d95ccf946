"""`manage.py audit`."""

import csv
import io
import json
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def entries() -> None:
    at = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
    for name, outcome, reason in (("alice", "success", ""), ("bob", "refused", "No.")):
        AuditEntry.objects.create(
            at=at,
            username=name,
            action="delete version",
            object="churn/v1",
            outcome=outcome,
            reason=reason,
            address="192.0.2.7",
        )


def printed(*arguments: str) -> list[str]:
    output = io.StringIO()
    call_command("audit", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_list_prints_a_line_for_each_entry_the_newest_first() -> None:
    assert printed("list") == [
        "2026-11-22 10:00:00  bob (192.0.2.7)  delete version churn/v1  refused: No.",
        "2026-11-22 10:00:00  alice (192.0.2.7)  delete version churn/v1  success",
    ]
    assert len(printed("list", "--limit", "1")) == 1


def test_list_prints_json() -> None:
    assert [json.loads(line)["user"] for line in printed("list", "--json")] == ["bob", "alice"]


@pytest.mark.parametrize("word", ["list", "export"])
def test_entries_are_filtered(word: str) -> None:
    n_headings = int(word == "export")
    assert len(printed(word, "--user", "alice", "--object", "churn")) - n_headings == 1
    assert len(printed(word, "--outcome", "refused", "--from", "2026-11-22")) - n_headings == 1
    assert len(printed(word, "--to", "2026-11-22")) - n_headings == 0


def test_export_writes_csv() -> None:
    rows = list(csv.DictReader(printed("export", "--action", "delete version")))
    assert [(row["user"], row["reason"]) for row in rows] == [("bob", "No."), ("alice", "")]


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="yesterday is no date or time: write 2026-11-22"):
        printed("list", "--from", "yesterday")
