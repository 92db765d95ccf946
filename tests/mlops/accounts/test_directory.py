"""`manage.py directory check`, against a real directory."""

import dataclasses
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from mlops.accounts.sign_in.ldap_report import log_faults
from tests.mlops.accounts.sign_in.slapd import Slapd


def check(*arguments: str) -> str:
    """What it says when all is well."""
    output = StringIO()
    call_command("directory", "check", *arguments, stdout=output)
    return output.getvalue()


def faults(*arguments: str) -> str:
    """What it says is not well."""
    output = StringIO()
    with pytest.raises(CommandError, match="of these are not well"):
        call_command("directory", "check", *arguments, stdout=output)
    lines = output.getvalue().splitlines()
    return "\n".join(line for line in lines if line.startswith("FAIL"))


@pytest.fixture(autouse=True)
def roles(ldap_sign_in: Settings) -> None:
    ldap_sign_in.ROLE_GROUPS = {"Owner": ["Owners"], "Contributor": ["Scientists"], "Reader": []}


def test_it_shows_servers_groups_and_what_a_user_would_get(slapd: Slapd) -> None:
    dn = slapd.person("dora")
    slapd.group("Owners", [])
    slapd.group("scientists", [dn])
    said = check("--user", "dora")
    assert f"ldap://127.0.0.1:{slapd.port}: answers" in said
    assert "Group Owners for the role Owner: cn=Owners,ou=Groups,dc=example,dc=org" in said
    assert f"User dora: {dn}" in said
    assert "Signs in as dora@example.org; groups: scientists" in said
    assert "Has the role Contributor by Scientists" in said


def test_it_says_who_is_in_no_declared_group(slapd: Slapd) -> None:
    slapd.person("dora")
    slapd.group("Owners", [])
    slapd.group("Scientists", [])
    assert "Has the role Reader, as everybody outside" in check("--user", "dora")


def test_missing_and_ambiguous_groups_are_faults(slapd: Slapd) -> None:
    slapd.group("Owners", [])
    slapd.group("owners", [], within="ou=People,dc=example,dc=org")
    said = faults()
    assert "Group Owners is ignored, as it means several" in said
    assert "Group Scientists for the role Contributor is not in the directory" in said


def test_a_node_that_starts_logs_them(slapd: Slapd, caplog: pytest.LogCaptureFixture) -> None:
    slapd.group("Owners", [])
    log_faults()
    assert "Group Scientists for the role Contributor is not in the directory" in caplog.text
    assert "Owners" not in caplog.text


def test_a_user_whom_the_filter_does_not_find_is_a_fault(slapd: Slapd) -> None:
    assert "User nobody: 0 entries" in faults("--user", "nobody")


def test_a_server_that_is_down_is_a_fault(slapd: Slapd, ldap_sign_in: Settings) -> None:
    slapd.stop()
    assert "Can't contact LDAP server" in faults()


def test_a_wrong_query_user_is_a_fault(slapd: Slapd, ldap_sign_in: Settings) -> None:
    ldap_sign_in.LDAP = dataclasses.replace(ldap_sign_in.LDAP, query_user_password="wrong-9")
    said = faults()
    assert "Invalid credentials" in said
    assert "wrong-9" not in said


def test_without_ldap_there_is_nothing_to_check(ldap_sign_in: Settings) -> None:
    ldap_sign_in.LDAP = None
    with pytest.raises(CommandError, match="MLOPS_LDAP_ENABLED is not set"):
        check()
