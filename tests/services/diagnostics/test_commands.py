"""`manage.py diagnose` and `manage.py trace`: what they print, and how they end."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.jobs.models import Job
from nodes.health import probe_nodes
from services.diagnostics import checks
from services.models import Service
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "JOB_SECONDS", 0.2)


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    try:
        call_command(*arguments)
    except CommandError as error:
        return error.returncode, capsys.readouterr().out
    return 0, capsys.readouterr().out


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {each["component"]: each["outcome"] for each in report["findings"]}


def test_what_fails_is_told_and_the_exit_code_is_1(
    declared_node: RunningNode, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    probe_nodes(now=timezone.now())
    code, printed = outcome(capsys, "diagnose", "--json")
    found = outcomes(json.loads(printed))
    assert code == 1
    assert found["publishing and calling"] == "PASS"
    assert found[f"Python on {declared_node.address}/"] == "PASS"
    # Neither a web node nor a worker runs beside this test.
    assert found["web node"] == "FAIL"
    assert found["worker for batches and jobs"] == "FAIL"
    assert not Service.objects.exists()
    assert not Job.objects.exists()


def test_a_line_for_each_component_and_totals(
    db: None, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed = outcome(capsys, "diagnose")
    lines = printed.splitlines()
    assert any(line.startswith("FAIL  compute nodes: None is declared.") for line in lines)
    assert any(line.startswith("PASS  blob storage: ") for line in lines)
    assert " FAIL in " in lines[-1]


def test_a_service_that_cannot_be_called_fails_and_is_deleted(
    db: None, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed = outcome(capsys, "diagnose", "--json")
    assert outcomes(json.loads(printed))["publishing and calling"] == "FAIL"
    assert not Service.objects.exists()


def test_the_raw_status_is_that_of_the_rest_api(
    db: None, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = outcome(capsys, "diagnose", "--raw")
    assert code == 0
    assert json.loads(printed)["components"]["database"]["statusCode"] == "pass"


@pytest.mark.parametrize(
    "arguments",
    [
        ("diagnose",),
        ("trace", "code", "--code", "1"),
        ("trace", "service", "churn/v1"),
        ("capacity", "--strategy", "thread"),
    ],
)
def test_only_owners_may(
    alice: User, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(capsys, *arguments, "--user", "alice")[0] == 1
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("trace", "service", "churn"),
        ("capacity", "--strategy", "thread", "--min-thread", "0"),
        ("capacity", "--strategy", "thread", "--service", "churn"),
    ],
)
def test_wrong_usage_ends_with_2(
    admin: User, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(capsys, *arguments)[0] == 2


def test_code_that_fails_ends_with_3(
    declared_node: RunningNode, admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = outcome(capsys, "trace", "code", "--code", "print('hi'); 1/0")
    assert code == 3
    assert "Run the code" in printed
    assert "hi" in printed
    assert outcome(capsys, "trace", "code", "--code", "1")[0] == 0


def test_a_service_without_a_web_node_ends_with_1(
    admin: User, capsys: pytest.CaptureFixture[str]
) -> None:
    create_version(admin)
    closed = "http://127.0.0.1:9"
    assert outcome(capsys, "trace", "service", "churn/v1", "--endpoint", closed)[0] == 1
    assert AuditEntry.objects.filter(action="trace service").exists()
