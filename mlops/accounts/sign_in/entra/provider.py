"""The OpenID provider: what it says of itself, and the keys with which it signs.

Both are fetched when they are needed first and kept. A key that is not among them has them fetched
again, every few seconds at most, so that neither a new key waits for long nor forged ones make this
server a burden to the provider. While the provider does not answer, what is kept serves for a day.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import jwt
import requests
from django.conf import settings

from mlops.accounts.sign_in.entra.configuration import EntraSettings
from mlops.errors import DirectoryUnavailable, NotSignedIn

# What a provider may sign with: keys that everybody may know. Never "none", never a shared secret.
ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256"}
FRESH_SECONDS = 3600.0
KEPT_SECONDS = 24 * 3600.0
RETRY_SECONDS = 5.0
# For connecting, and for each wait for something to come.
TIMEOUT_SECONDS = (3.0, 5.0)

_UNKNOWN_KEY = "The token is signed with a key that the provider does not have: sign in again."


@dataclass(frozen=True, slots=True)
class Known:
    """What a provider has said of itself."""

    configuration: Mapping[str, Any]  # its endpoints
    issuers: frozenset[str]
    keys: Mapping[str, jwt.PyJWK]  # by their ids
    read_at: float  # time.monotonic()

    def is_younger(self, seconds: float) -> bool:
        """Whether it was fetched within these seconds."""
        return time.monotonic() - self.read_at < seconds


class Provider:
    """One provider; safe to use from several threads."""

    def __init__(self, entra: EntraSettings) -> None:
        self.entra = entra
        self._known: Known | None = None
        self._failed_at = -KEPT_SECONDS
        self._fetching = Lock()

    def known(self) -> Known:
        """What the provider says of itself; raises DirectoryUnavailable.

        Of several callers one fetches what has become old, the others go on with that.
        """
        known = self._known
        if known is not None and known.is_younger(FRESH_SECONDS):
            return known
        if known is not None and known.is_younger(KEPT_SECONDS):
            if self._fetching.acquire(blocking=False):
                try:
                    return self._fetch()
                except DirectoryUnavailable:
                    pass
                finally:
                    self._fetching.release()
            return known
        with self._fetching:
            known = self._known
            return known if known and known.is_younger(FRESH_SECONDS) else self._fetch()

    def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id; raises NotSignedIn when there is none, or DirectoryUnavailable."""
        known = self.known()
        if key_id not in known.keys and not known.is_younger(RETRY_SECONDS):
            with self._fetching:
                known = self._known or known
                if key_id not in known.keys and not known.is_younger(RETRY_SECONDS):
                    known = self._fetch()
        if key_id not in known.keys:
            raise NotSignedIn(_UNKNOWN_KEY)
        return known.keys[key_id]

    def check(self) -> None:
        """Ask the provider now; raises DirectoryUnavailable when it does not answer."""
        with self.http() as http:
            self._get(http, self._documents()[0])

    def http(self) -> requests.Session:
        """A client that trusts what is set, and waits for a bounded time."""
        return _Http(self.entra)

    def unavailable(self, error: Exception) -> DirectoryUnavailable:
        """The error to raise for one that kept this server from talking to the provider."""
        host = self.entra.label
        return DirectoryUnavailable(
            f"The sign-in of {host} cannot be reached at the moment ({type(error).__name__});"
            " try again."
        )

    def _documents(self) -> list[str]:
        """The addresses of what the provider says of itself, the one that counts first.

        Entra ID has two, with an issuer each, as its tokens are of version 1 or 2.
        """
        suffixes = ["/v2.0", ""] if self.entra.is_microsoft else [""]
        path = "/.well-known/openid-configuration"
        return [f"{self.entra.authority}{suffix}{path}" for suffix in suffixes]

    def _fetch(self) -> Known:
        if time.monotonic() - self._failed_at < RETRY_SECONDS:
            raise DirectoryUnavailable(
                f"The sign-in of {self.entra.label} cannot be reached at the moment; try again."
            )
        try:
            with self.http() as http:
                documents = [self._get(http, address) for address in self._documents()]
                issuers = frozenset(str(document["issuer"]) for document in documents)
                keys: dict[str, jwt.PyJWK] = {}
                for address in dict.fromkeys(str(each["jwks_uri"]) for each in documents):
                    keys |= _usable(self._get(http, address))
        except (DirectoryUnavailable, KeyError) as error:
            self._failed_at = time.monotonic()
            raise (
                error if isinstance(error, DirectoryUnavailable) else self.unavailable(error)
            ) from None
        self._known = Known(documents[0], issuers, keys, time.monotonic())
        return self._known

    def _get(self, http: requests.Session, address: str) -> dict[str, Any]:
        try:
            answer = http.get(address)
            answer.raise_for_status()
            document = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise self.unavailable(error) from None
        if not isinstance(document, dict):
            raise self.unavailable(ValueError())
        return document


class _Http(requests.Session):
    """A session with timeouts, which trusts the authorities of a private provider alone."""

    def __init__(self, entra: EntraSettings) -> None:
        super().__init__()
        self._trusted: str | bool = str(entra.ca) if entra.ca else True

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """See requests; says at each call whom to trust, or the environment would have a say."""
        options.setdefault("timeout", TIMEOUT_SECONDS)
        options.setdefault("verify", self._trusted)
        return super().request(*arguments, **options)


def _usable(key_set: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys of a set that sign in a way that is allowed here."""
    found = {}
    for each in key_set.get("keys", ()):
        try:
            key = jwt.PyJWK(each)
        except (jwt.PyJWTError, AttributeError, TypeError):
            continue  # of a kind that is of no use here
        if key.key_id and key.algorithm_name in ALGORITHMS and each.get("use", "sig") == "sig":
            found[str(key.key_id)] = key
    return found


def provider() -> Provider:
    """The provider of the settings."""
    return _provider(settings.ENTRA)


@lru_cache(maxsize=4)
def _provider(entra: EntraSettings) -> Provider:
    return Provider(entra)
