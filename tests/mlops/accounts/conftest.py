"""A real directory."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mlops.accounts.sign_in import ldap_servers
from tests.mlops.accounts.sign_in.slapd import Slapd


@pytest.fixture(scope="session")
def running_slapd() -> Iterator[Slapd]:
    server = Slapd()
    try:
        yield server.start().fill()
    finally:
        server.remove()


@pytest.fixture
def slapd(running_slapd: Slapd) -> Iterator[Slapd]:
    """A directory with nobody in it but the query user."""
    yield running_slapd
    if running_slapd._has_ended():
        running_slapd.start()
    running_slapd.forget()


@pytest.fixture
def ldap_sign_in(slapd: Slapd, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """People sign in by `slapd`; the settings, to change more of them."""
    settings.LDAP = slapd.config()
    settings.SIGN_IN_METHOD = "ldap"
    settings.AUTHENTICATION_BACKENDS = [
        "mlops.accounts.sign_in.local.AccountBackend",
        "mlops.accounts.sign_in.ldap.LdapBackend",
    ]
    monkeypatch.setattr(ldap_servers, "_answered_last", None)
    return settings
