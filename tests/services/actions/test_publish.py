import uuid
from threading import Barrier, Thread

import pytest
from django.db import connection

from mlops.accounts.models import User
from mlops.errors import Conflict, Forbidden, InvalidRequest, MlopsError
from services.actions.publish import publish_version
from services.models import CatalogueStamp, Service, Version
from services.schema import Definition, Parameter
from tests.conftest import create_user
from tests.services.create import create_snapshot, create_version, published


def refused(
    error: type[MlopsError], user: User, *, name: str = "churn", version: str = "v1", **said: object
) -> MlopsError:
    """The refusal; fails if publishing goes through or changes anything."""
    before = published()
    definition = Definition(**{"code": "x", "runtime_type": "Python", **said})  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        publish_version(user=user, name=name, version=version, definition=definition)
    assert published() == before
    return caught.value


def test_everything_said_is_stored(alice: User) -> None:
    snapshot = create_snapshot(alice, files={"model.txt": b"1"})
    definition = Definition(
        code="y = x",
        init_code="import math",
        snapshot_id=str(snapshot.pk),
        description="A test",
        operation_id="predict",
        inputs=[Parameter("x", "string")],
        outputs=[Parameter("y", "dataframe")],
        runtime_type="Python",
        output_files=["plot.png"],
    )
    publish_version(user=alice, name="churn", version="v1", definition=definition)
    stored = Version.objects.select_related("service", "payload").get()
    assert (stored.service.name, stored.version, stored.published_by) == ("churn", "v1", "alice")
    assert (stored.code, stored.init_code) == ("y = x", "import math")
    assert (stored.description, stored.operation_id) == ("A test", "predict")
    assert stored.input_parameters == [{"name": "x", "type": "character"}]
    assert stored.output_parameters == [{"name": "y", "type": "data.frame"}]
    assert stored.output_files == ["plot.png"]
    assert stored.runtime_type == "Python"
    assert stored.snapshot_id == snapshot.pk
    assert stored.payload == snapshot.blob


def test_what_is_not_said_gets_its_default(alice: User) -> None:
    publish_version(user=alice, name="churn", version="v1", definition=Definition(code="x"))
    stored = Version.objects.get()
    assert stored.runtime_type == "R"
    assert (stored.init_code, stored.description, stored.operation_id) == (None, None, None)
    assert stored.input_parameters == stored.output_parameters == stored.output_files == []
    assert (stored.snapshot_id, stored.payload_id) == (None, None)


def test_an_empty_alias_is_no_alias(alice: User) -> None:
    assert create_version(alice, operation_id="").operation_id is None


def test_without_a_version_it_gets_a_guid(alice: User) -> None:
    stored = publish_version(
        user=alice, name="churn", version=None, definition=Definition(code="x")
    )
    assert str(uuid.UUID(stored.version)) == stored.version


def test_versions_of_one_name_share_a_service(alice: User, bob: User) -> None:
    create_version(alice, version="v1")
    create_version(bob, version="v2")
    assert Service.objects.get().versions.count() == 2


def test_names_differ_by_case(alice: User) -> None:
    create_version(alice, name="churn", version="v1")
    create_version(alice, name="Churn", version="v1")
    create_version(alice, name="churn", version="V1")
    assert Version.objects.count() == 3


def test_a_reader_cannot_publish(rita: User) -> None:
    refused(Forbidden, rita)


def test_without_a_role_nobody_can_publish(db: None, declared_groups: None) -> None:
    refused(Forbidden, create_user("mallory"))


def test_a_duplicate_is_a_conflict(alice: User, bob: User) -> None:
    create_version(alice)
    refused(Conflict, alice)
    refused(Conflict, bob)


@pytest.mark.parametrize("name", ["..", "a/b", "a\0b", "x" * 129], ids=ascii)
def test_a_hostile_name_is_refused(alice: User, name: str) -> None:
    assert refused(InvalidRequest, alice, name=name).fields == "service name"
    assert refused(InvalidRequest, alice, version=name).fields == "version"


def test_missing_code_is_refused(alice: User) -> None:
    assert refused(InvalidRequest, alice, code=None).fields == "code"


def test_the_definition_is_checked(alice: User) -> None:
    refused(InvalidRequest, alice, inputs=[Parameter("x", "float")])


def test_realtime_is_refused(alice: User) -> None:
    refused(InvalidRequest, alice, runtime_type="Realtime")


def test_an_unknown_snapshot_is_refused(alice: User) -> None:
    assert refused(InvalidRequest, alice, snapshot_id=str(uuid.uuid4())).fields == "snapshotId"


def test_a_foreign_snapshot_is_refused_as_unknown(alice: User, admin: User) -> None:
    foreign = create_snapshot(alice, files={"secret": b"1"})
    error = refused(InvalidRequest, admin, snapshot_id=str(foreign.pk))
    assert error.message == f"You have no snapshot {foreign.pk}."


def test_a_snapshot_of_another_runtime_is_refused(alice: User) -> None:
    snapshot = create_snapshot(alice, runtime="R")
    assert refused(InvalidRequest, alice, snapshot_id=str(snapshot.pk)).fields == "snapshotId"


def test_the_version_outlives_its_snapshot(alice: User) -> None:
    snapshot = create_snapshot(alice, files={"model.txt": b"1"})
    created = create_version(alice, snapshot_id=str(snapshot.pk))
    snapshot.delete()
    stored = Version.objects.get(pk=created.pk)
    assert stored.payload == created.payload
    assert stored.snapshot_id == created.snapshot_id


def test_publishing_renews_the_catalogue_stamp(alice: User) -> None:
    create_version(alice, version="v1")
    before = CatalogueStamp.objects.get().value
    create_version(alice, version="v2")
    assert CatalogueStamp.objects.get().value != before


@pytest.mark.django_db(transaction=True)
def test_of_publishers_racing_for_one_version_exactly_one_wins(alice: User, bob: User) -> None:
    n_racers = 8
    barrier = Barrier(n_racers)
    outcomes: list[str] = []

    def publish(user: User) -> None:
        barrier.wait()
        try:
            create_version(user)
            outcomes.append(user.username)
        except Conflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [Thread(target=publish, args=([alice, bob][i % 2],)) for i in range(n_racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("conflict") == n_racers - 1
    assert Version.objects.get().published_by in outcomes


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_versions_of_one_name_all_arrive(alice: User) -> None:
    n_publishers = 8
    barrier = Barrier(n_publishers)
    failures: list[Exception] = []

    def publish(number: int) -> None:
        barrier.wait()
        try:
            create_version(alice, version=f"v{number}")
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=publish, args=(number,)) for number in range(n_publishers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Service.objects.get().versions.count() == n_publishers
