"""What becomes of checks: findings, whatever happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from mlops.blobs.models import Blob
from mlops.diagnostics import checks
from mlops.diagnostics.findings import (
    FAIL,
    PASS,
    WARN,
    Check,
    Finding,
    as_json,
    findings_of,
    summary,
    worst,
)
from mlops.errors import Busy


def outcomes_of(name: str) -> list[tuple[str, str]]:
    check = next(each for each in checks.checks() if each.component == name)
    return [(each.component, each.outcome) for each in findings_of([check])]


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on() -> None:
    def busy() -> Iterator[Finding]:
        yield Finding("first", PASS, "Well.")
        raise Busy("Nothing is free.")

    def broken() -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    def away() -> Iterator[Finding]:
        raise OperationalError("no such file")
        yield

    last = Check("last", lambda: [Finding("last", WARN, "So so.")])
    found = list(findings_of([Check("a", busy), Check("b", broken), Check("c", away), last]))
    assert [each.outcome for each in found] == [PASS, FAIL, FAIL, FAIL, WARN]
    assert found[1].message == "Nothing is free."
    assert "ZeroDivisionError" in found[2].message
    assert "The database cannot be used" in found[3].message
    assert all(each.elapsed > 0 for each in found)
    assert worst(found) == FAIL
    assert summary(found).startswith("1 PASS, 1 WARN, 3 FAIL in ")
    assert as_json(found)["totals"] == {PASS: 1, WARN: 1, FAIL: 3}


def test_a_finding_says_what_to_do_in_a_second_line() -> None:
    assert str(Finding("disk", PASS, "Fine.", elapsed=1.2)) == "PASS  disk: Fine. (1 ms)"
    assert str(Finding("disk", FAIL, "Full.", "Make room.")).endswith("\n      Make room.")


@pytest.mark.django_db(transaction=True)
def test_a_sound_installation_passes() -> None:
    names = ("database", "blob storage", "authentication", "disk")
    assert {outcome for name in names for _, outcome in outcomes_of(name)} <= {PASS, WARN}
    assert ("migrations", PASS) in outcomes_of("database")
    assert not Blob.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.any_database
def test_a_database_that_takes_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("it is made read-only in SQLite's way")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
    try:
        assert outcomes_of("database")[-1] == ("database", FAIL)
        assert outcomes_of("blob storage") == [("blob storage", FAIL)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = OFF")


@pytest.mark.any_database
def test_a_full_disk_fails(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path
    usage = checks.shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: usage)
    assert outcomes_of("disk")[0][1] == FAIL


@pytest.mark.any_database
@pytest.mark.parametrize(("behind", "outcome"), [(1, PASS), (-20, WARN), (90, FAIL)])
def test_clocks_must_agree(behind: float, outcome: str) -> None:
    assert checks.skew("clock", behind).outcome == outcome
