"""Fixtures on the OpenID provider of the tests."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mlops.accounts import bearers, token_cache
from mlops.accounts.sign_in.entra import graph, provider, tokens
from tests.openid.running import OpenIdProvider


@pytest.fixture(scope="session")
def openid_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    process = OpenIdProvider(tmp_path_factory.mktemp("openid"))
    yield process
    process.stop()


@pytest.fixture
def openid(
    openid_process: OpenIdProvider, db: None, settings: Settings
) -> Iterator[OpenIdProvider]:
    """The provider as it began, at which people sign in as at a tenant of Entra ID."""
    openid_process.reset()
    _forget()
    settings.SIGN_IN_METHOD = "entra"
    settings.ENTRA = openid_process.tenant()
    yield openid_process
    _forget()


def _forget() -> None:
    """What this process knows of the provider, and of those who came from there."""
    provider._provider.cache_clear()
    graph.graph.cache_clear()
    token_cache._entries.clear()
    for kind in bearers.KINDS:
        if isinstance(kind, tokens.ProviderTokens):
            kind.__init__()  # type: ignore[misc]


@pytest.fixture
def plain_openid(openid: OpenIdProvider, settings: Settings) -> OpenIdProvider:
    """The provider, at which people sign in as at any that is not Microsoft's."""
    settings.ENTRA = openid.plain()
    return openid
