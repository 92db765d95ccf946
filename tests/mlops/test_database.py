"""Which database is used, and how many connections to it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection

from mlops import database
from mlops.accounts.models import User
from mlops.postgresql import base
from nodes.background import run_sync

URL = "postgresql://mlops:S%40cret%2F1@db.example.com:5433/product?sslmode=require"


def described(url: str) -> dict[str, Any]:
    return database.database_from(url, data_dir=Path("/data"), max_connections=9)


# The setting.


def test_without_a_url_it_is_sqlite_in_the_data_directory() -> None:
    assert described("")["ENGINE"] == "django.db.backends.sqlite3"
    assert described("")["NAME"] == Path("/data/mlops.sqlite3")


def test_a_url_is_taken_apart_and_decoded() -> None:
    found = described(URL)
    assert found["ENGINE"] == "mlops.postgresql"
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example.com", 5433, "product")
    assert (found["USER"], found["PASSWORD"]) == ("mlops", "S@cret/1")
    assert found["OPTIONS"]["sslmode"] == "require"
    assert found["OPTIONS"]["connect_timeout"] == 10
    assert found["MAX_CONNECTIONS"] == 9


@pytest.mark.parametrize(
    "url",
    [
        "mysql://mlops:S3cret@h/db",
        "S3cret",
        "postgresql://mlops:S3cret@h",
        "postgresql://mlops:S3cret@h:70000/db",
        "postgresql://mlops:S3cret/1@h/db",
        "postgresql://mlops:12/S3cret@h/db",
        "postgresql://mlops:a#S3cret@h/db",
        "postgresql://mlops:a?S3cret@h/db",
        "postgresql://[S3cret/db",
        "postgresql://mlops:S3cret@h/db?unknown=1",
    ],
)
def test_a_url_that_cannot_be_right_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="MLOPS_DATABASE_URL") as refused:
        described(url)
    assert "S3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


# Connections.


def other_connection(**settings: Any) -> base.DatabaseWrapper:
    """A second connection to the test's database, which another thread may use."""
    wrapper = base.DatabaseWrapper({**connection.settings_dict, **settings}, "other")
    wrapper.inc_thread_sharing()
    return wrapper


@pytest.mark.postgresql
@pytest.mark.django_db
def test_who_comes_when_all_connections_are_in_use_waits_for_one() -> None:
    first, second = (other_connection(MAX_CONNECTIONS=1) for _ in range(2))
    first.ensure_connection()
    waiting = threading.Thread(target=second.ensure_connection)
    waiting.start()
    assert second.connection is None
    first.close()
    waiting.join(60)
    assert second.connection is not None
    second.close()


@pytest.mark.postgresql
@pytest.mark.django_db
def test_a_wait_without_end_is_an_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "_WAIT_SECONDS", 0)
    first, second = (other_connection(MAX_CONNECTIONS=1) for _ in range(2))
    first.ensure_connection()
    with pytest.raises(OperationalError, match="MLOPS_DATABASE_CONNECTIONS"):
        second.ensure_connection()
    first.close()


@pytest.mark.postgresql
@pytest.mark.django_db
def test_places_are_free_again_however_a_connection_ends() -> None:
    refused = other_connection(MAX_CONNECTIONS=1, PASSWORD="wrong")
    with pytest.raises(OperationalError):
        refused.ensure_connection()
    dropped = other_connection(MAX_CONNECTIONS=1)
    dropped.ensure_connection()
    dropped.connection = None  # as when its thread ends
    last = other_connection(MAX_CONNECTIONS=1)
    last.ensure_connection()
    last.close()


async def nothing() -> None:
    pass


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_thread_that_waits_for_a_node_holds_no_connection() -> None:
    assert not User.objects.exists()
    assert connection.connection is not None
    run_sync(nothing())
    assert connection.connection is None


@pytest.mark.django_db
def test_within_a_transaction_the_connection_stays(alice: User) -> None:
    run_sync(nothing())
    assert User.objects.get() == alice
