"""Who calls, from memory: the scoring lane's look at tokens and keys (architecture, step 2).

A signature is verified once. Whether the family is still alive, the user active and the role the
same is read again at most every half second, for all busy tokens in one query; what this process
revokes itself counts with the next call. A caller whose groups the directory must be asked for
again waits for that, off the threads of the database.
"""

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Self

from asgiref.sync import sync_to_async

from mlops.accounts import bearers, changes
from mlops.accounts.bearers import Kind
from mlops.accounts.claims import Claims
from mlops.accounts.keys import LEEWAY_SECONDS
from mlops.accounts.models import User
from mlops.accounts.roles import Role, role_of
from mlops.accounts.sign_in import refreshing
from mlops.ahead import Ahead
from mlops.database import kept_connection

FRESH_SECONDS = 1.0
AGEING_SECONDS = 0.5  # from then on it is read again, in the background
MAX_ENTRIES = 10_000
_MAX_BATCH = 500  # stays below SQLite's bound on query parameters


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token or key; without a `role` every call is refused with 403."""

    user_id: int
    username: str
    role: Role | None
    groups: frozenset[str] = frozenset()  # in lower case
    services: frozenset[str] | None = None  # the only ones that may be called; None for no bounds
    # Of the token, not of the user.
    login_session_id: str = field(default="", compare=False)

    @classmethod
    def of(cls, user: User, *, login_session_id: str = "") -> Self:
        """The user, in the role and with the groups they have now."""
        return cls(
            user.pk,
            user.username,
            role_of(user),
            user.group_names(),
            user.only_services,
            login_session_id,
        )


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What the database said about one token; None as `caller` means that the token is dead."""

    caller: Caller | None
    n_changes: int
    seen_at: float
    due: User | None  # the user, when the directory must be asked before anything is served

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

    @property
    def due(self) -> User | None:
        return self.sighting.due if self.sighting is not None else None


# Entries come and go on the event loop only; the database thread replaces their sightings.
_entries: dict[str, _Entry] = {}
_ahead = Ahead()
_readers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="bearers")


async def caller_of(token: str) -> Caller:
    """The caller whom a living access token names; raises NotSignedIn otherwise."""
    entry = _entries.get(token)
    if entry is None or entry.claims.expires_on + LEEWAY_SECONDS <= time.time():
        _entries.pop(token, None)
        entry = await _first_look(token)
    entry.used_at = time.monotonic()
    if not entry.is_younger(FRESH_SECONDS):
        await _see(entry)
    elif not entry.is_younger(AGEING_SECONDS):
        _ahead.begin(partial(sync_to_async(_look_again), entry))
    if entry.sighting is None or entry.sighting.caller is None:
        raise entry.kind.refusal()
    return entry.sighting.caller


async def _see(entry: _Entry) -> None:
    """Read `entry` again, and its user from the directory if that is due."""
    if entry.due is None:
        await sync_to_async(_look_again)(entry)
    sighting = entry.sighting
    if sighting is not None and sighting.due is not None:
        await refreshing.bring_up_to_date(sighting.due)
        if entry.sighting is sighting:
            entry.sighting = None
        await sync_to_async(_look_again)(entry)


async def _first_look(token: str) -> _Entry:
    """A new entry, for which the oldest make room; raises NotSignedIn for a text that is false."""
    kind = bearers.kind_of(token)
    if kind.asks_others:  # neither the event loop nor the database's thread waits for them
        claims = await asyncio.get_running_loop().run_in_executor(_readers, kind.read, token)
    else:
        claims = kind.read(token)
    for oldest in list(islice(_entries, max(0, len(_entries) - MAX_ENTRIES + 1))):
        del _entries[oldest]
    entry = _entries[token] = _Entry(kind, claims, None, 0.0)
    return entry


def _look_again(entry: _Entry) -> None:
    """Read the families of `entry` and of the other busy tokens that are due (database thread)."""
    if entry.is_younger(AGEING_SECONDS) or entry.due is not None:
        return  # somebody waiting before us had it read
    n_changes, now = changes.count(), time.monotonic()
    busy_since = now - 2 * FRESH_SECONDS
    others = (
        other
        for other in list(_entries.values())
        if other is not entry
        and other.used_at >= busy_since
        and not other.is_younger(AGEING_SECONDS)
        and other.due is None
    )
    due = [entry, *islice(others, _MAX_BATCH - 1)]
    living: dict[Claims, User] = {}
    with kept_connection():
        for kind, claims in _by_kind(due).items():
            living |= kind.users(claims)
    for one in due:
        one.sighting = _sighting(living.get(one.claims), one.claims, n_changes, now)


def _sighting(user: User | None, claims: Claims, n_changes: int, now: float) -> _Sighting:
    if user is None:
        return _Sighting(None, n_changes, now, due=None)
    caller = Caller.of(user, login_session_id=claims.login_session_id)
    left = refreshing.seconds_left(user)
    due = user if left <= 0 else None
    # It is too old, at the latest, when the user is due.
    return _Sighting(caller, n_changes, min(now, now + left - FRESH_SECONDS), due)


def _by_kind(entries: Iterable[_Entry]) -> dict[Kind, list[Claims]]:
    claims: dict[Kind, list[Claims]] = {}
    for entry in entries:
        claims.setdefault(entry.kind, []).append(entry.claims)
    return claims
