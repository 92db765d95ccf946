"""`MLOPS_ENTRA_*`."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mlops.accounts.sign_in.entra.configuration import entra_settings
from tests.mlops.test_encrypted_secrets import SECRET, encrypted, pem

__all__ = ["pem"]  # a fixture

TENANT = "https://login.microsoftonline.com/contoso.example"


@pytest.fixture(autouse=True)
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ENTRA_ENABLED", "true")
    monkeypatch.setenv("MLOPS_ENTRA_AUTHORITY", TENANT)
    monkeypatch.setenv("MLOPS_ENTRA_AUDIENCE", "web")


def test_it_is_off_unless_it_is_turned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_ENTRA_ENABLED")
    assert entra_settings() is None


@pytest.mark.parametrize(
    ("authority", "graph"),
    [
        (TENANT, "https://graph.microsoft.com"),
        (f"{TENANT}/", "https://graph.microsoft.com"),
        ("https://login.windows.net/contoso.example", "https://graph.microsoft.com"),
        ("https://login.microsoftonline.us/contoso.example", "https://graph.microsoft.us"),
    ],
)
def test_the_directory_follows_from_the_authority(
    monkeypatch: pytest.MonkeyPatch, authority: str, graph: str
) -> None:
    monkeypatch.setenv("MLOPS_ENTRA_AUTHORITY", authority)
    found = entra_settings()
    assert found is not None
    assert (found.authority, found.graph) == (authority.rstrip("/"), graph)
    assert found.is_microsoft
    assert found.label == "Microsoft"


def test_the_address_of_version_two_is_the_same_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ENTRA_AUTHORITY", f"{TENANT}/v2.0")
    found = entra_settings()
    assert found is not None
    assert found.authority == TENANT


def test_other_providers_need_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ENTRA_AUTHORITY", "https://id.example.com")
    found = entra_settings()
    assert found is not None
    assert (found.is_microsoft, found.label) == (False, "id.example.com")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTHORITY", ""),
        ("AUTHORITY", "http://id.example.com"),
        ("AUTHORITY", "login.microsoftonline.com/contoso"),
        ("AUTHORITY", "https://login.microsoftonline.com"),
        ("AUTHORITY", "https://login.microsoftonline.com/common"),
        ("AUTHORITY", "https://login.microsoftonline.com/organizations/v2.0"),
        ("AUDIENCE", ""),
        ("GRAPH", "graph.example.com"),
        ("BASE_URL", "mlops.example.com"),
        ("KEY_FILE", "/does/not/exist"),
        ("CA", "/does/not/exist"),
        ("ENABLED", "perhaps"),
    ],
)
def test_what_makes_no_sense_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MLOPS_ENTRA_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=f"MLOPS_ENTRA_{name}"):
        entra_settings()


def test_the_key_may_be_encrypted(monkeypatch: pytest.MonkeyPatch, pem: Path) -> None:
    monkeypatch.setenv("MLOPS_ENTRA_KEY", encrypted())
    monkeypatch.setenv("MLOPS_ENTRA_KEY_ENCRYPTED", "true")
    found = entra_settings()
    assert found is not None
    assert found.key == SECRET
    monkeypatch.delenv("MLOPS_CREDENTIALS_CERTIFICATE")
    with pytest.raises(ImproperlyConfigured, match="MLOPS_ENTRA_KEY is encrypted"):
        entra_settings()


def test_the_key_may_be_in_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("the secret\n")
    monkeypatch.setenv("MLOPS_ENTRA_KEY_FILE", str(tmp_path / "key"))
    found = entra_settings()
    assert found is not None
    assert found.key == "the secret"
    assert "the secret" not in repr(found)
    monkeypatch.setenv("MLOPS_ENTRA_KEY", "another")
    with pytest.raises(ImproperlyConfigured, match="set one"):
        entra_settings()
