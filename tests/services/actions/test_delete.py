from threading import Barrier, Thread

import pytest
from django.db import connection

from mlops.accounts.models import User
from mlops.blobs.models import Blob
from mlops.errors import Forbidden, MlopsError, NotFound
from services.actions.delete import delete_version
from services.models import CatalogueStamp, Service, Version
from tests.conftest import READERS
from tests.services.create import create_snapshot, create_version, published


def refused(
    error: type[MlopsError], user: User, *, name: str = "churn", version: str = "v1"
) -> None:
    """Nothing; fails if the deletion goes through or changes anything."""
    before = published()
    with pytest.raises(error):
        delete_version(user=user, name=name, version=version)
    assert published() == before


def test_the_publisher_deletes_one_version(alice: User) -> None:
    create_version(alice, version="v1")
    create_version(alice, version="v2")
    delete_version(user=alice, name="churn", version="v1")
    assert [each.version for each in Version.objects.all()] == ["v2"]


def test_the_service_goes_with_its_last_version(alice: User) -> None:
    create_version(alice)
    delete_version(user=alice, name="churn", version="v1")
    assert not Service.objects.exists()


def test_the_name_can_be_published_again(alice: User, bob: User) -> None:
    create_version(alice)
    delete_version(user=alice, name="churn", version="v1")
    assert create_version(bob).published_by == "bob"


def test_the_payload_is_left_to_the_sweep(alice: User) -> None:
    snapshot = create_snapshot(alice, files={"x": b"1"})
    create_version(alice, snapshot_id=str(snapshot.pk))
    delete_version(user=alice, name="churn", version="v1")
    assert Blob.objects.filter(pk=snapshot.blob_id).exists()


def test_an_owner_deletes_anything(alice: User, admin: User) -> None:
    create_version(alice)
    delete_version(user=admin, name="churn", version="v1")
    assert not Version.objects.exists()


def test_another_contributor_may_not(alice: User, bob: User) -> None:
    create_version(alice)
    refused(Forbidden, bob)


def test_a_publisher_who_became_a_reader_may_not(alice: User, rita: User) -> None:
    create_version(alice)
    alice.groups.set(rita.groups.filter(name=READERS))
    refused(Forbidden, User.objects.get(pk=alice.pk))


@pytest.mark.parametrize(("name", "version"), [("churn", "v2"), ("..", "v1"), ("churn", "\0")])
def test_an_unknown_version_is_not_found(alice: User, name: str, version: str) -> None:
    create_version(alice)
    refused(NotFound, alice, name=name, version=version)


def test_deleting_renews_the_catalogue_stamp(alice: User) -> None:
    create_version(alice)
    before = CatalogueStamp.objects.get().value
    delete_version(user=alice, name="churn", version="v1")
    assert CatalogueStamp.objects.get().value != before


@pytest.mark.django_db(transaction=True)
def test_deleting_the_last_version_never_breaks_a_concurrent_publish(alice: User) -> None:
    n_rounds = 10
    barrier = Barrier(2)
    failures: list[Exception] = []

    def publish() -> None:
        for number in range(n_rounds):
            barrier.wait()
            attempt(lambda number=number: create_version(alice, version=f"new{number}"))
            barrier.wait()
        connection.close()

    def attempt(step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    thread = Thread(target=publish)
    thread.start()
    for number in range(n_rounds):
        create_version(alice, version="old")
        barrier.wait()
        attempt(lambda: delete_version(user=alice, name="churn", version="old"))
        barrier.wait()
        delete_version(user=alice, name="churn", version=f"new{number}")
    thread.join()
    assert failures == []
    assert not Service.objects.exists()
