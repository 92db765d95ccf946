"""This server as a client of the provider.

Of msal the part that any provider understands: its applications for Entra ID refuse issuers without
a path, and would ask for everything that `provider.py` knows already at each turn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

import requests
from msal.oauth2cli.oidc import Client

from mlops.accounts.sign_in.entra.provider import Provider


@contextmanager
def client(provider: Provider) -> Iterator[Client]:
    """The web application; what keeps it from talking to the provider is DirectoryUnavailable."""
    entra = provider.entra
    configuration = provider.known().configuration
    # How it shows its key: in the way that all providers know, unless this one says otherwise.
    methods = configuration.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    shows_in_body = "client_secret_basic" not in methods
    secret: dict[str, Any] = {}
    if entra.key:
        secret = (
            {"default_body": {"client_secret": entra.key}}
            if shows_in_body
            else {"client_secret": entra.key}
        )
    with provider.http() as http:
        try:
            yield Client(dict(configuration), entra.audience, http_client=http, **secret)
        except (requests.RequestException, JSONDecodeError) as error:
            raise provider.unavailable(error) from None
