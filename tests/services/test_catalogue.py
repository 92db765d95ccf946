import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from mlops.accounts.models import User
from mlops.errors import Busy, NotFound
from services import catalogue as catalogue_module
from services.actions.delete import delete_version
from services.actions.patch import patch_version
from services.catalogue import (
    AGEING_SECONDS,
    FRESH_SECONDS,
    Catalogue,
    PublishedVersion,
    published_version,
)
from services.models import CatalogueStamp, Service, Version
from services.schema import Definition
from tests.services.create import create_version

# As in a web node, every reading may close the connection and open it again.
pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalogue(clock: Clock) -> Catalogue:
    return Catalogue(clock=clock)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """The result of `main`; its database calls are made on the test's own connection."""

    async def wait() -> Any:
        return await main

    return async_to_sync(wait)()


def find(catalogue: Catalogue, name: str = "churn", version: str = "v1") -> Any:
    return run(catalogue.find(name, version))


def republished_elsewhere(**changes: object) -> None:
    """A change by another web node: in the database only."""
    if changes:
        Version.objects.update(**changes)
    CatalogueStamp.objects.update(value=uuid.uuid4())


@pytest.fixture
def broken_database() -> Iterator[Callable[[], None]]:
    """A switch; once thrown every query fails as if the database were away."""

    def fail(*args: object) -> None:
        raise OperationalError("The database is away.")

    wrappers = connection.execute_wrappers
    yield lambda: wrappers.append(fail)
    if fail in wrappers:
        wrappers.remove(fail)


def test_a_published_version_is_found(alice: User, catalogue: Catalogue) -> None:
    row = create_version(alice)
    assert find(catalogue) == PublishedVersion(
        row.pk, "churn", "v1", "Python", row.bundle_id, "alice", None
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [("churn", "v2"), ("Churn", "v1"), ("chu\0rn", "v1"), ("", ""), ("..", ".")],
)
def test_anything_else_is_none(alice: User, catalogue: Catalogue, name: str, version: str) -> None:
    create_version(alice)
    assert find(catalogue, name, version) is None


def test_a_known_version_costs_no_query_for_half_a_second(
    alice: User, catalogue: Catalogue, clock: Clock, django_assert_num_queries: Any
) -> None:
    create_version(alice)
    find(catalogue)
    clock.now += AGEING_SECONDS * 0.9
    with django_assert_num_queries(0):
        assert find(catalogue) is not None


def test_a_picture_that_ages_serves_on_and_is_read_again_meanwhile(
    alice: User, catalogue: Catalogue, clock: Clock
) -> None:
    create_version(alice)

    async def main() -> None:
        await catalogue.find("churn", "v1")
        await sync_to_async(republished_elsewhere)(bundle_id="new")
        clock.now += AGEING_SECONDS
        found = await catalogue.find("churn", "v1")
        assert found
        assert found.bundle_id != "new"
        async with asyncio.timeout(60):
            while found and found.bundle_id != "new":
                await asyncio.sleep(0.01)
                found = await catalogue.find("churn", "v1")

    run(main())


def test_after_a_second_one_query_tells_that_nothing_changed(
    alice: User, catalogue: Catalogue, clock: Clock, django_assert_num_queries: Any
) -> None:
    create_version(alice)
    find(catalogue)
    clock.now += FRESH_SECONDS
    with django_assert_num_queries(1):
        assert find(catalogue) is not None


def test_a_change_by_another_web_node_is_seen_after_a_second(
    alice: User, catalogue: Catalogue, clock: Clock
) -> None:
    create_version(alice)
    find(catalogue)
    republished_elsewhere(bundle_id="new")
    assert find(catalogue).bundle_id != "new"
    clock.now += FRESH_SECONDS
    assert find(catalogue).bundle_id == "new"


def test_grants_set_on_another_web_node_count_after_a_second(
    alice: User, catalogue: Catalogue, clock: Clock
) -> None:
    create_version(alice)
    assert find(catalogue).access is None
    Service.objects.update(grants=[{"right": "consume", "kind": "user", "name": "bob"}])
    republished_elsewhere()
    clock.now += FRESH_SECONDS
    assert find(catalogue).access.consuming_users == {"bob"}


def test_a_version_new_on_another_web_node_is_found_at_once(
    alice: User, catalogue: Catalogue
) -> None:
    create_version(alice)
    assert find(catalogue, version="v2") is None
    republished_elsewhere(version="v2")
    assert find(catalogue, version="v2") is not None


def test_this_process_sees_its_own_changes_at_once(alice: User, catalogue: Catalogue) -> None:
    create_version(alice)
    before = find(catalogue)
    patch_version(user=alice, name="churn", version="v1", definition=Definition(code="1"))
    assert find(catalogue).bundle_id != before.bundle_id
    delete_version(user=alice, name="churn", version="v1")
    assert find(catalogue) is None


def test_however_many_ask_for_unknown_names_they_share_the_queries(
    alice: User, catalogue: Catalogue
) -> None:
    create_version(alice)
    find(catalogue)

    async def ask() -> None:
        answers = await asyncio.gather(*(catalogue.find(f"x{n}", "v1") for n in range(500)))
        assert answers == [None] * 500

    with CaptureQueriesContext(connection) as queries:
        run(ask())
    assert len(queries) == 1


def test_what_cannot_be_a_name_costs_no_query(
    alice: User, catalogue: Catalogue, django_assert_num_queries: Any
) -> None:
    create_version(alice)
    find(catalogue)
    with django_assert_num_queries(0):
        assert find(catalogue, "x" * 10_000, "v1") is None


def test_a_caller_who_gives_up_does_not_break_off_the_others(
    alice: User, catalogue: Catalogue
) -> None:
    create_version(alice)

    async def ask() -> Any:
        first = asyncio.create_task(catalogue.find("churn", "v1"))
        second = asyncio.create_task(catalogue.find("churn", "v1"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(ask()) is not None


def test_while_the_database_is_away_the_old_picture_serves(
    alice: User, catalogue: Catalogue, clock: Clock, broken_database: Callable[[], None]
) -> None:
    create_version(alice)
    find(catalogue)
    broken_database()
    clock.now += FRESH_SECONDS
    assert find(catalogue) is not None
    assert find(catalogue, "unknown") is None


def test_without_any_picture_the_caller_may_retry(
    catalogue: Catalogue, broken_database: Callable[[], None]
) -> None:
    broken_database()
    with pytest.raises(Busy):
        find(catalogue)


def test_the_database_itself_can_be_asked(alice: User, catalogue: Catalogue) -> None:
    create_version(alice)
    assert published_version("churn", "v1") == find(catalogue)
    with pytest.raises(NotFound):
        published_version("churn", "v2")


def test_a_change_is_seen_at_once_though_a_reading_had_looked_before_it(
    alice: User, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_version(alice)
    assert find(catalogue) is not None
    read = catalogue_module._read_if_changed

    def change_after_reading(*known: Any) -> Any:
        monkeypatch.setattr(catalogue_module, "_read_if_changed", read)
        seen = read(*known)
        delete_version(user=alice, name="churn", version="v1")
        return seen

    monkeypatch.setattr(catalogue_module, "_read_if_changed", change_after_reading)

    async def main() -> Any:
        reading = asyncio.create_task(catalogue._read_shared())
        while catalogue._changes == catalogue_module._local_changes:
            await asyncio.sleep(0)
        found = await catalogue.find("churn", "v1")
        await reading
        return found

    assert run(main()) is None
