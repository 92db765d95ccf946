"""The settings of the directory."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.ldap_config import LdapConfig, ldap_settings

NEEDED = {
    "ENABLED": "true",
    "HOST": "ldap1.example.org, ldap2.example.org",
    "QUERY_USER_DN": "cn=query,dc=example,dc=org",
    "QUERY_USER_PASSWORD": " with blanks ",
    "SEARCH_BASE": "dc=example,dc=org",
}


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> LdapConfig:
    for name, value in (NEEDED | variables).items():
        monkeypatch.setenv(f"MLOPS_LDAP_{name}", value)
    config = ldap_settings()
    assert config is not None
    return config


def test_it_is_off_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ldap_settings() is None
    monkeypatch.setenv("MLOPS_LDAP_HOST", "ldap.example.org")
    assert ldap_settings() is None


def test_what_is_not_given_is_as_the_original_had_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(monkeypatch)
    assert config.uris == ["ldap://ldap1.example.org:389", "ldap://ldap2.example.org:389"]
    assert config.query_user_password == " with blanks "
    assert config.search_filter == "(userPrincipalName={0})"
    assert (config.display_name_attribute, config.email_attribute) == ("name", "mail")
    assert not config.nested_groups


def test_ldaps_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, USE_LDAPS="True", HOST="::1").uris == ["ldaps://[::1]:636"]
    assert read(monkeypatch, USE_LDAPS="True", HOST="dc", PORT="3269").uris == ["ldaps://dc:3269"]


@pytest.mark.parametrize("text", ["cn={0}", "(cn={0})"])
def test_the_filter_may_lack_its_parentheses(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert read(monkeypatch, SEARCH_FILTER=text).search_filter == "(cn={0})"


@pytest.mark.parametrize("name", ["HOST", "QUERY_USER_DN", "QUERY_USER_PASSWORD", "SEARCH_BASE"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"MLOPS_LDAP_{name}"):
        read(monkeypatch, **{name: ""})


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"USE_LDAPS": "1", "START_TLS": "1"}, "MLOPS_LDAP_START_TLS exclude each other"),
        ({"CA": "/etc/passwd"}, "MLOPS_LDAP_CA does nothing without TLS"),
        ({"CA": "/nowhere.pem", "START_TLS": "1"}, "MLOPS_LDAP_CA: /nowhere.pem is no file"),
        ({"SEARCH_FILTER": "cn=everybody"}, "MLOPS_LDAP_SEARCH_FILTER must hold {0}"),
        ({"QUERY_USER_PASSWORD_FILE": "/etc/passwd"}, "both set"),
        (
            {"QUERY_USER_PASSWORD": "", "QUERY_USER_PASSWORD_FILE": "/nowhere"},
            "MLOPS_LDAP_QUERY_USER_PASSWORD_FILE: /nowhere cannot be read",
        ),
        ({"PORT": "many"}, "MLOPS_LDAP_PORT must be a whole number"),
        ({"TIMEOUT_SECONDS": "0"}, "MLOPS_LDAP_TIMEOUT_SECONDS must be at least 1"),
        ({"QUERY_USER_PASSWORD_ENCRYPTED": "true"}, "MLOPS_CREDENTIALS_CERTIFICATE"),
    ],
)
def test_what_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        read(monkeypatch, **variables)


def test_the_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" pässword \n")
    config = read(monkeypatch, QUERY_USER_PASSWORD="", QUERY_USER_PASSWORD_FILE=str(file))
    assert config.query_user_password == " pässword "


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "with blanks" not in repr(read(monkeypatch))


def test_two_directories_at_once_are_refused() -> None:
    assert methods.chosen(ldap=True, entra=False) == "ldap"
    assert methods.chosen(ldap=False, entra=True) == "entra"
    assert methods.chosen(ldap=False, entra=False) == "local"
    with pytest.raises(ImproperlyConfigured, match="MLOPS_LDAP_ENABLED and MLOPS_ENTRA_ENABLED"):
        methods.chosen(ldap=True, entra=True)
