"""Who calls, from memory: the scoring lane's look at access tokens (architecture, step 2).

A signature is verified once. Whether the family is still alive, the user active and the role the
same is read again at most every half second, for all busy tokens in one query; what this process
revokes itself counts with the next call.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from asgiref.sync import sync_to_async

from mlops.accounts import bearers, changes
from mlops.accounts.access_token import LEEWAY_SECONDS
from mlops.accounts.bearers import Kind
from mlops.accounts.claims import Claims
from mlops.accounts.models import User
from mlops.accounts.roles import Role, role_of
from mlops.ahead import Ahead
from mlops.database import kept_connection

FRESH_SECONDS = 1.0
AGEING_SECONDS = 0.5  # from then on it is read again, in the background
MAX_ENTRIES = 10_000
_MAX_BATCH = 500  # stays below SQLite's bound on query parameters


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind an access token; without a `role` every call is refused with 403."""

    user_id: int
    username: str
    role: Role | None
    groups: frozenset[str] = frozenset()  # in lower case
    # Of the token, not of the user.
    login_session_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What the database said about one token; None as `caller` means that the token is dead."""

    caller: Caller | None
    n_changes: int
    seen_at: float

    def is_younger(self, seconds: float) -> bool:
        return self.n_changes == changes.count() and time.monotonic() - self.seen_at < seconds


@dataclass(slots=True)
class _Entry:
    """One token. Its sighting is replaced whole, so that every thread sees a consistent one."""

    kind: Kind
    claims: Claims
    sighting: _Sighting | None
    used_at: float

    def is_younger(self, seconds: float) -> bool:
        return self.sighting is not None and self.sighting.is_younger(seconds)


# Entries come and go on the event loop only; the database thread replaces their sightings.
_entries: dict[str, _Entry] = {}
_ahead = Ahead()


async def caller_of(token: str) -> Caller:
    """The caller whom a living access token names; raises NotSignedIn otherwise."""
    entry = _entries.get(token)
    if entry is None or entry.claims.expires_on + LEEWAY_SECONDS <= time.time():
        _entries.pop(token, None)
        entry = _remember(token)
    entry.used_at = time.monotonic()
    if not entry.is_younger(FRESH_SECONDS):
        await sync_to_async(_look_again)(entry)
    elif not entry.is_younger(AGEING_SECONDS):
        _ahead.begin(partial(sync_to_async(_look_again), entry))
    if entry.sighting is None or entry.sighting.caller is None:
        raise entry.kind.refusal()
    return entry.sighting.caller


def _remember(token: str) -> _Entry:
    """A new entry, for which the oldest make room; raises NotSignedIn for a text that is false."""
    kind = bearers.kind_of(token)
    claims = kind.read(token)
    for oldest in list(islice(_entries, max(0, len(_entries) - MAX_ENTRIES + 1))):
        del _entries[oldest]
    entry = _entries[token] = _Entry(kind, claims, None, 0.0)
    return entry


def _look_again(entry: _Entry) -> None:
    """Read the families of `entry` and of the other busy tokens that are due (database thread)."""
    if entry.is_younger(AGEING_SECONDS):
        return  # somebody waiting before us had it read
    n_changes, now = changes.count(), time.monotonic()
    busy_since = now - 2 * FRESH_SECONDS
    others = (
        other
        for other in list(_entries.values())
        if other is not entry
        and other.used_at >= busy_since
        and not other.is_younger(AGEING_SECONDS)
    )
    due = [entry, *islice(others, _MAX_BATCH - 1)]
    living: dict[Claims, User] = {}
    with kept_connection():
        for kind, claims in _by_kind(due).items():
            living |= kind.users(claims)
    for one in due:
        user = living.get(one.claims)
        caller = (
            Caller(
                user.pk,
                user.username,
                role_of(user),
                user.group_names(),
                one.claims.login_session_id,
            )
            if user
            else None
        )
        one.sighting = _Sighting(caller, n_changes, now)


def _by_kind(entries: Iterable[_Entry]) -> dict[Kind, list[Claims]]:
    claims: dict[Kind, list[Claims]] = {}
    for entry in entries:
        claims.setdefault(entry.kind, []).append(entry.claims)
    return claims
