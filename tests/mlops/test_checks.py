"""What is said about settings that are not as they should be."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from mlops import checks
from mlops.accounts.sign_in.ldap_config import LdapConfig
from tests.nodes.runtime.running import ROOT

NETWORK = "10.0.0.4"
LONG = "x" * 43


@pytest.fixture
def production(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with which there is nothing wrong on a network."""
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["mlops.example.com"]
    settings.HTTPS_ONLY = True
    settings.TRUSTED_PROXIES = ["10.0.0.2"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://mlops.example.com"]
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.SECRETS_DIR.mkdir()
    return settings


def said(host: str = NETWORK) -> dict[str, str]:
    """Each finding's text by its number."""
    return {str(each.id): f"{each.msg} {each.hint}" for each in checks.findings(host)}


def test_nothing_is_said_of_good_settings(production: Settings) -> None:
    assert said() == {}


def test_nothing_is_said_of_a_box_that_nobody_else_reaches(settings: Settings) -> None:
    assert said("127.0.0.1") == said("::1") == said("localhost") == {}


def test_ldap_is_told_what_it_lacks(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    production.LDAP = LdapConfig(
        hosts=("ldap.example.com",),
        port=389,
        use_ldaps=False,
        start_tls=False,
        ca=None,
        query_user_dn="cn=query",
        query_user_password="Quite-Secret-1",
        search_base="dc=example",
        search_filter="(cn={0})",
        unique_attribute="uid",
        display_name_attribute="name",
        email_attribute="mail",
        nested_groups=False,
        timeout_seconds=5,
    )
    assert said().keys() == {"mlops.W010"}
    production.LDAP = dataclasses.replace(production.LDAP, start_tls=True)
    assert said() == {}
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert "mlops/onebox/install.sh run" in said()["mlops.E010"]


@pytest.mark.parametrize(
    ("number", "changes", "advice"),
    [
        ("mlops.E001", {"DEBUG": True}, "Unset MLOPS_DEBUG"),
        ("mlops.E002", {"TRUSTED_PROXIES": []}, "MLOPS_TLS_WEB_CERTIFICATE"),
        ("mlops.W001", {"ALLOWED_HOSTS": ["*"]}, "MLOPS_ALLOWED_HOSTS"),
        ("mlops.W002", {"TRUSTED_PROXIES": [], "HTTPS_ONLY": False}, "MLOPS_TRUSTED_PROXIES"),
        ("mlops.W003", {"TRUSTED_PROXIES": ["*"]}, "Name the addresses"),
        ("mlops.W004", {"HTTPS_ONLY": False}, "MLOPS_HTTPS_ONLY=true"),
        ("mlops.W006", {"SECRET_KEY": "short"}, "token_urlsafe"),
        ("mlops.W006", {"CLUSTER_KEY": "short"}, "MLOPS_CLUSTER_KEY"),
        ("mlops.W006", {"METRICS_TOKEN": "short"}, "MLOPS_METRICS_TOKEN"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    production: Settings, number: str, changes: dict[str, Any], advice: str
) -> None:
    for name, value in changes.items():
        setattr(production, name, value)
    assert advice in said()[number]


@pytest.mark.parametrize("name", ["secrets/cluster_key", "mlops.sqlite3"])
def test_secrets_that_others_can_read_are_named(production: Settings, name: str) -> None:
    secret = production.DATA_DIR / name
    secret.write_text(LONG)
    secret.chmod(0o640)
    assert said() == {}
    secret.chmod(0o644)
    assert f"chmod o= {secret}" in said()["mlops.W005"]


def test_no_secret_is_repeated(production: Settings) -> None:
    production.SECRET_KEY = production.CLUSTER_KEY = "abrakadabra"
    assert "abrakadabra" not in str(said())


def manage(
    data_dir: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**ours, "MLOPS_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


PROXY = {
    "MLOPS_HOST": NETWORK,
    "MLOPS_HTTPS_ONLY": "true",
    "MLOPS_TRUSTED_PROXIES": "10.0.0.2",
    "MLOPS_TRUSTED_ORIGINS": "https://mlops.example.com",
    "MLOPS_ALLOWED_HOSTS": "mlops.example.com",
}


def test_the_documented_settings_behind_a_proxy_pass_all_checks(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PROXY)
    assert done.returncode == 0, done.stderr


def test_a_node_with_tls_passes_all_checks(tmp_path: Path) -> None:
    tls = {"MLOPS_HOST": NETWORK, "MLOPS_ALLOWED_HOSTS": "mlops.example.com"}
    tls |= {f"MLOPS_TLS_WEB_{name}": str(tmp_path / name) for name in ("CERTIFICATE", "KEY")}
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **tls)
    assert done.returncode == 0, done.stderr


def test_the_database_is_made_for_its_user_only(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate").returncode == 0
    assert (tmp_path / "mlops.sqlite3").stat().st_mode & 0o077 == 0


def test_a_box_on_this_machine_passes_the_daily_checks_in_silence(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_web_node_does_not_start_with_what_must_not_be(tmp_path: Path) -> None:
    done = manage(tmp_path, "webnode", "--host", NETWORK, MLOPS_DEBUG="true")
    assert done.returncode == 1
    assert "Unset MLOPS_DEBUG, or listen on 127.0.0.1." in done.stderr


def test_it_logs_what_should_not_be(tmp_path: Path) -> None:
    # An address of no machine, so that it ends at once.
    done = manage(tmp_path, "webnode", "--host", "192.0.2.1")
    assert done.returncode == 1
    assert "(mlops.W001)" in done.stderr
    assert "(mlops.W002)" in done.stderr
