"""Tokens of the provider: judged here, and taken for bearer texts (wire-api section 9)."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from time import time
from typing import Any

import jwt
from jwt.utils import base64url_decode

from mlops.accounts import access_token
from mlops.accounts.claims import Claims
from mlops.accounts.keys import LEEWAY_SECONDS
from mlops.accounts.models import User
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.directory import DirectoryEntry, remember
from mlops.accounts.sign_in.entra.configuration import EntraSettings
from mlops.accounts.sign_in.entra.people import person
from mlops.accounts.sign_in.entra.provider import ALGORITHMS, Provider, provider
from mlops.errors import Forbidden, NotSignedIn

MAX_REMEMBERED = 10_000
_LONGEST = 64 * 1024

_REFUSAL = "The token of {} is not valid here: sign in there again."
_EXPIRED = "The token of {} has expired: sign in there again."
_NO_ACCOUNT = (
    "The account of this token cannot be used here: an administrator ended it, or its name belongs"
    " to another account."
)


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider said of a user, and when."""

    entry: DirectoryEntry
    said_at: datetime


def judged(token: str, judge: Provider) -> dict[str, Any]:
    """The claims of a token that the provider signed for this server, and that counts now.

    Raises NotSignedIn for all others, and DirectoryUnavailable when the provider has to be asked
    and does not answer.
    """
    entra = judge.entra
    refusal = NotSignedIn(_REFUSAL.format(entra.label))
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise refusal from None
    if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
        raise refusal
    key = judge.key(header["kid"])
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=[entra.audience, f"api://{entra.audience}"],
            issuer=list(judge.known().issuers),
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "iat", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        raise NotSignedIn(_EXPIRED.format(entra.label)) from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise refusal from None
    return claims


class ProviderTokens:
    """Access tokens of the provider, as a kind of bearer texts (bearers.py)."""

    asks_others = True

    def __init__(self) -> None:
        # What was read, so that neither a signature nor a long list of groups is read twice.
        self._read: OrderedDict[tuple[EntraSettings, str], Claims] = OrderedDict()
        self._lock = Lock()
        # The keys of accounts by the names that tokens have, so that many are read in one query.
        self._ids: dict[str, int] = {}

    def is_mine(self, token: str) -> bool:
        """Whether it is a JWT that this server did not issue, where people come by a provider."""
        if methods.of_people() != methods.ENTRA or token.count(".") != 2 or len(token) > _LONGEST:
            return False
        try:
            issuer: object = json.loads(base64url_decode(token.split(".")[1])).get("iss")
        except (ValueError, AttributeError, RecursionError):
            return False
        return issuer != access_token.ISSUER

    def read(self, token: str) -> Claims:
        """What a token of the provider proves; raises NotSignedIn and DirectoryUnavailable."""
        entra = provider().entra
        name = (entra, token)
        with self._lock:
            known = self._read.get(name)
        if known is not None and known.expires_on + LEEWAY_SECONDS > time():
            return known
        claims = judged(token, provider())
        if not _is_access_token(token, claims):
            raise NotSignedIn(
                f"This token of {entra.label} says who somebody is, and opens nothing: send an"
                " access token."
            )
        read = Claims(
            Said(person(entra, claims), datetime.fromtimestamp(int(claims["iat"]), UTC)),
            _login_session_id(claims, token),
            int(claims["exp"]),
        )
        with self._lock:
            self._read[name] = read
            while len(self._read) > MAX_REMEMBERED:
                self._read.popitem(last=False)
        return read

    def users(self, claims: Collection[Claims]) -> Mapping[Claims, User]:
        """The active accounts of the people; made, or brought up to date, by newer tokens."""
        said = {each: each.key for each in claims if isinstance(each.key, Said)}
        names = {each.entry.username: self._ids.get(each.entry.username) for each in said.values()}
        rows = User.objects.in_bulk([pk for pk in names.values() if pk is not None])
        found = {}
        for each, word in said.items():
            name = word.entry.username
            user = _account(rows.get(names[name] or 0), word)
            if user is not None:
                self._ids[name] = user.pk
                if user.is_active:
                    found[each] = user
        return found

    def refusal(self) -> NotSignedIn:
        """The error for a genuine token whose account is not alive."""
        return NotSignedIn(_NO_ACCOUNT)


def _account(row: User | None, said: Said) -> User | None:
    """The account of a token's user, who had `row` when last seen; None when it cannot be used."""
    name = said.entry.username
    if row is None or row.username.lower() != name.lower():
        row = User.objects.filter(username__iexact=name).first()
    if row is not None and (row.sign_in_method != methods.ENTRA or not said.entry.may_be(row)):
        return None
    if row is None or row.directory_read_at is None or row.directory_read_at < said.said_at:
        try:
            return remember(methods.ENTRA, said.entry)
        except Forbidden:  # another account has just taken the name
            return None
    return row


def _is_access_token(token: str, claims: Mapping[str, Any]) -> bool:
    """Whether it is meant to open something; one that only says who somebody is has no scope."""
    kind = str(jwt.get_unverified_header(token).get("typ", "")).lower()
    return kind.removeprefix("application/") == "at+jwt" or any(
        isinstance(claims.get(name), str | list) and claims[name] for name in ("scp", "scope")
    )


def _login_session_id(claims: Mapping[str, Any], token: str) -> str:
    """The same 128 digits for all tokens of one sign-in there, as far as the provider tells."""
    session = next((str(claims[name]) for name in ("sid", "uti", "jti") if claims.get(name)), token)
    return hashlib.sha512(f"{claims['iss']} {session}".encode()).hexdigest().upper()
