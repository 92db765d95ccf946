"""A connection that a thread uses again and again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from mlops.database import kept_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def in_a_thread(task: Callable[[], object]) -> None:
    """Runs it in a thread, and so on a connection, of its own."""

    def run() -> None:
        try:
            task()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(run).result(60)


def use() -> Any:
    """The driver's connection that a query was made on."""
    with kept_connection():
        Group.objects.exists()
    assert connection.connection is not None
    return connection.connection


def end_in_the_server() -> None:
    """End this thread's connection as a restart of PostgreSQL does; by another one."""
    pid = connection.connection.get_backend_pid()
    ended = []

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
            ended.extend(cursor.fetchone())

    in_a_thread(end)
    assert ended == [True]


def test_all_uses_in_a_thread_have_one_connection() -> None:
    def task() -> None:
        first = use()
        assert use() is first
        assert use() is first

    in_a_thread(task)


def test_the_connection_outlives_what_ends_with_a_request() -> None:
    def task() -> None:
        first = use()
        close_old_connections()
        assert connection.connection is first
        assert use() is first

    in_a_thread(task)


def test_without_it_a_connection_ends_with_the_request() -> None:
    def task() -> None:
        Group.objects.exists()
        close_old_connections()
        assert connection.connection is None

    in_a_thread(task)


def test_threads_do_not_share_a_connection() -> None:
    def task() -> None:
        first = use()
        others: list[Any] = []
        in_a_thread(lambda: others.append(use()))
        assert others[0] is not first
        assert use() is first

    in_a_thread(task)


def test_a_use_without_a_query_opens_no_connection() -> None:
    def task() -> None:
        with kept_connection():
            pass
        assert connection.connection is None

    in_a_thread(task)


def test_the_connection_stays_after_a_use_that_failed() -> None:
    def task() -> None:
        first = use()
        with pytest.raises(DatabaseError), kept_connection(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        assert use() is first

    in_a_thread(task)


def test_a_use_sees_what_others_have_written_since() -> None:
    def task() -> None:
        use()
        in_a_thread(lambda: Group.objects.create(name="new"))
        with kept_connection():
            assert Group.objects.filter(name="new").exists()

    in_a_thread(task)


def test_what_is_written_is_there_for_others() -> None:
    def write() -> None:
        use()
        with kept_connection():
            Group.objects.create(name="new")

    in_a_thread(write)
    assert Group.objects.filter(name="new").exists()


def test_after_the_connection_was_given_back_there_is_another() -> None:
    def task() -> None:
        first = use()
        connection.close()
        second = use()
        assert second is not first
        assert use() is second

    in_a_thread(task)


def test_a_connection_left_in_a_transaction_is_replaced() -> None:
    def task() -> None:
        first = use()
        connection.set_autocommit(False)
        assert use() is not first
        assert connection.get_autocommit()

    in_a_thread(task)


@pytest.mark.postgresql
def test_a_connection_that_is_closed_is_replaced_before_it_is_used() -> None:
    def task() -> None:
        first = use()
        first.close()
        second = use()
        assert second is not first
        assert use() is second

    in_a_thread(task)


@pytest.mark.postgresql
def test_a_connection_that_the_server_has_ended_is_replaced_before_it_is_used() -> None:
    def task() -> None:
        first = use()
        end_in_the_server()
        second = use()
        assert second is not first
        assert use() is second

    in_a_thread(task)


@pytest.mark.postgresql
def test_a_connection_that_ends_during_a_use_is_replaced_for_the_next() -> None:
    def task() -> None:
        first = use()
        with kept_connection():
            Group.objects.exists()  # until a query the connection may still be replaced
            end_in_the_server()
            with pytest.raises((OperationalError, InterfaceError)):
                Group.objects.exists()
        second = use()
        assert second is not first
        assert use() is second

    in_a_thread(task)


@pytest.mark.postgresql
def test_connections_that_were_replaced_leave_their_places() -> None:
    def task() -> None:
        for _ in range(connection.settings_dict["MAX_CONNECTIONS"] + 1):
            use().close()

    in_a_thread(task)


def test_within_a_transaction_the_connection_stays() -> None:
    def task() -> None:
        with transaction.atomic():
            Group.objects.create(name="new")
            first = connection.connection
            assert use() is first
            assert connection.in_atomic_block
        assert connection.connection is first
        assert Group.objects.get().name == "new"

    in_a_thread(task)


def test_a_transaction_around_it_can_be_rolled_back() -> None:
    def task() -> None:
        with transaction.atomic():
            Group.objects.create(name="before")
            with kept_connection():
                Group.objects.create(name="within")
            transaction.set_rollback(True)
        assert not Group.objects.exists()

    in_a_thread(task)


def test_an_error_in_a_transaction_before_it_does_not_end_the_transaction() -> None:
    def task() -> None:
        with transaction.atomic():
            Group.objects.create(name="new")
            with pytest.raises(DatabaseError), transaction.atomic():
                connection.cursor().execute("SELECT * FROM no_such_table")
            use()
        assert Group.objects.get().name == "new"

    in_a_thread(task)
