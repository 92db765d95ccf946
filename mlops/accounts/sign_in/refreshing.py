"""What a directory says of its users, read again while they use the product (wire-api section 10).

It counts for the lifetime of the cache. Whoever uses an account after that waits until its row is
up to date, in one look-up for all who wait and without a sign-in. Somebody whom the directory no
longer has loses every token and browser session. While the directory does not answer, what it said
last counts on for a day.

Each method whose people live in a directory has a `LookUp`, which is called in threads of their
own: neither requests on other accounts nor the threads of the database wait for a directory.
"""

import asyncio
import copy
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Lock
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from mlops.accounts import audit, changes, tokens
from mlops.accounts.models import User
from mlops.accounts.sign_in import methods
from mlops.accounts.sign_in.directory import DirectoryEntry, take_over
from mlops.database import release_connection
from mlops.errors import DirectoryUnavailable

# How old the directory's word may become while it does not answer.
MAX_AGE_SECONDS = timedelta(hours=24).total_seconds()
# For how long nobody asks again a directory that did not answer.
RETRY_SECONDS = 15.0


class LookUp(Protocol):
    """How a method asks its directory; it makes no queries to the database, and takes a while."""

    def __call__(self, user: User) -> DirectoryEntry | None:
        """The user's entry as it is now; None when it is gone or disabled.

        Raises DirectoryUnavailable when that could not be found out, in bounded time.
        """


_LOOK_UPS = {
    methods.LDAP: "mlops.accounts.sign_in.ldap.look_up",
    methods.ENTRA: "mlops.accounts.sign_in.entra.graph.look_up",
}

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="directory")
_lock = Lock()
_under_way: "dict[int, Future[User | None]]" = {}
_ask_again_at: dict[str, float] = {}  # of methods whose directory did not answer


def seconds_left(user: User) -> float:
    """For how long the user's row counts as it is; it must be read again when none are left."""
    if user.sign_in_method not in _LOOK_UPS:
        return math.inf
    age = _age(user)
    left: float = settings.ROLE_CACHE_SECONDS - age
    if left <= 0 and age < MAX_AGE_SECONDS:
        return min(_seconds_of_silence(user), MAX_AGE_SECONDS - age)
    return left


def up_to_date(user: User) -> User | None:
    """The user as the directory knows them within the cache's lifetime; None when it does not.

    Raises DirectoryUnavailable once the directory has not answered for too long.
    """
    if seconds_left(user) > 0:
        return user
    try:
        reading = _reading(user)
        release_connection()
        # Others wait for the same reading: each gets an object of its own to note how they came.
        return copy.copy(reading.result())
    except DirectoryUnavailable:
        return _as_last_known(user)


async def bring_up_to_date(user: User) -> None:
    """See that the row of a user with no seconds left is up to date; raises as `up_to_date`."""
    try:
        # Those who wait for the same reading go on when one of them is cancelled.
        await asyncio.shield(asyncio.wrap_future(_reading(user)))
    except DirectoryUnavailable:
        _as_last_known(user)


def _age(user: User) -> float:
    read_at = user.directory_read_at
    return (timezone.now() - read_at).total_seconds() if read_at else math.inf


def _seconds_of_silence(user: User) -> float:
    """For how long the user's directory is not asked, as it did not answer."""
    return _ask_again_at.get(user.sign_in_method, -math.inf) - time.monotonic()


def _as_last_known(user: User) -> User:
    if _age(user) >= MAX_AGE_SECONDS:
        raise DirectoryUnavailable(
            "The directory cannot be reached, and what it last said of you is too old; try again."
        )
    return user


def _reading(user: User) -> "Future[User | None]":
    """The look-up of this user, one at a time; raises DirectoryUnavailable at once in a silence."""
    if _seconds_of_silence(user) > 0:
        raise DirectoryUnavailable
    with _lock:
        reading = _under_way.get(user.pk)
        if reading is None:
            reading = _under_way[user.pk] = _threads.submit(_read, user.pk)
            reading.add_done_callback(lambda _: _under_way.pop(user.pk, None))
    return reading


def _read(pk: int) -> User | None:
    """The user, brought up to date (a thread of its own)."""
    try:
        user = User.objects.filter(pk=pk, is_active=True).first()
        # Another web node, or a sign-in, may have been first.
        if user is None or seconds_left(user) > 0:
            return user
        connection.close()
        return _noted(user, _ask(user))
    finally:
        connection.close()


def _ask(user: User) -> DirectoryEntry | None:
    look_up: LookUp = import_string(_LOOK_UPS[user.sign_in_method])
    if _seconds_of_silence(user) > 0:
        raise DirectoryUnavailable
    try:
        entry = look_up(user)
    except DirectoryUnavailable:
        _ask_again_at[user.sign_in_method] = time.monotonic() + RETRY_SECONDS
        raise
    _ask_again_at.pop(user.sign_in_method, None)
    return entry


def _noted(user: User, entry: DirectoryEntry | None) -> User | None:
    """What the directory said, in the row; a sign-in that came meanwhile knows better."""
    with transaction.atomic():
        row = User.objects.select_for_update().filter(pk=user.pk).first()
        if row is None or row.directory_read_at != user.directory_read_at:
            return row
        transaction.on_commit(changes.note)
        if entry is not None:
            take_over(row, entry)
            return row
        row.is_active = False
        row.directory_read_at = timezone.now()  # a token of the provider from before says nothing
        row.set_unusable_password()  # ends browser sessions, for good as well
        row.save()
        tokens.revoke_all(row)
        row.api_keys.all().delete()  # or they would live again with an account that comes back
        audit.record(
            "end account",
            user=row,
            object=row.username,
            reason="The directory does not have it any longer.",
        )
    return None
