"""Which database: SQLite in the data directory, or the PostgreSQL that `MLOPS_DATABASE_URL` names.

Nothing here repeats the URL or a part of it: it holds the password.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn

_OPTIONS = {
    "application_name": "mlops",
    "connect_timeout": 10,  # seconds
    # A server that vanished without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SHAPE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


def database_from(url: str, *, data_dir: Path, max_connections: int) -> dict[str, Any]:
    """Django's description of the database; raises ImproperlyConfigured, without the password."""
    return _postgresql(url, max_connections) if url else _sqlite(data_dir)


def _sqlite(data_dir: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data_dir / "mlops.sqlite3",
        "OPTIONS": {
            # Writers queue for the lock at BEGIN instead of failing in the middle of a transaction.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        # A file, because the threads of a web node each open their own connection.
        "TEST": {"NAME": data_dir / "test.sqlite3"},
    }


def _postgresql(url: str, max_connections: int) -> dict[str, Any]:
    scheme = url.partition(":")[0].lower()
    if scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured(
            f"MLOPS_DATABASE_URL must look like {_SHAPE}. Leave it unset to use SQLite; other"
            " databases are not supported."
        )
    try:
        parsed: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:  # its text may quote a part of the password
        parsed = {}
    # A slash or an @ of a password that was not encoded would end up in the name.
    if not parsed.get("NAME") or set("/@") & set(parsed["NAME"]):
        raise ImproperlyConfigured(
            f"MLOPS_DATABASE_URL cannot be understood. It must look like {_SHAPE}; in the user name"
            " and the password, characters such as @ : / ? # % are written percent-encoded, for"
            " example %40 for @."
        )
    options = _OPTIONS | dict(parsed.get("OPTIONS", {}))
    try:
        make_dsn(**options)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"MLOPS_DATABASE_URL cannot be used: {error}".strip()) from None
    return {
        **parsed,
        "ENGINE": "mlops.postgresql",
        # Requests run in threads that end with them, so that a connection could not be used again;
        # a new one for each is also what makes a restart of the server harmless.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # of the few that are used again
        "MAX_CONNECTIONS": max_connections,
        "OPTIONS": options,
    }


def explanation(error: Error) -> str:
    """What to tell an administrator about a database that cannot be used."""
    text = str(error).strip() or type(error).__name__
    reason = text.splitlines()[0].rstrip(".")
    if connection.vendor != "postgresql":
        return f"The database cannot be used: {reason}. It is in {settings.DATA_DIR}."
    return (
        f"The database cannot be used: {reason}. Check that PostgreSQL runs and that"
        " MLOPS_DATABASE_URL names its host, port, database, user and password."
    )


def release_connection() -> None:
    """Give this thread's connection to PostgreSQL back before a wait, unless a transaction is open.

    The next query takes another one. So long calls to compute nodes, of which there may be
    hundreds, need none of the bounded number of connections.
    """
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()


@contextmanager
def kept_connection() -> Iterator[None]:
    """For short queries that a thread makes again and again: all of them use one connection.

    To open one costs several times what they do. One that was lost is replaced.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    try:
        yield
    finally:
        connection.close_at = None


@contextmanager
def private_files() -> Iterator[None]:
    """Files that are made in the context, such as a new database, are for this process's user."""
    umask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(umask)


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """While the context lasts, no other process on the same database is in it for this `name`."""
    if connection.vendor == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
        return
    settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Path(settings.DATA_DIR, f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
