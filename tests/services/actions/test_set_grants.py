from typing import Any

import pytest

from mlops.accounts.models import AuditEntry, User
from mlops.errors import Conflict, Forbidden, InvalidRequest, MlopsError, NotFound
from services.actions.delete import delete_version
from services.actions.patch import patch_version
from services.actions.set_grants import set_grants
from services.catalogue import published_version
from services.grants import MAX_GRANTS, Access, Grant, revision
from services.models import CatalogueStamp, Service, Version
from services.schema import Definition
from tests.conftest import create_user
from tests.services.create import create_version

CONSUME_BOB = Grant("consume", "user", "bob")
CONSUME_TEAM = Grant("consume", "group", "Team")
MANAGE_ALICE = Grant("manage", "user", "alice")
MANAGE_BOB = Grant("manage", "user", "bob")


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


def stored() -> Any:
    return Service.objects.get().grants


def refuse(kind: type[MlopsError], user: User, *grants: Grant, **options: Any) -> str:
    """The message of the refusal, which changes nothing."""
    before = list(Service.objects.values()), AuditEntry.objects.filter(outcome="success").count()
    stamp = CatalogueStamp.objects.get().value
    with pytest.raises(kind) as caught:
        set_grants(**{"user": user, "name": "churn", "grants": grants, **options})
    assert (
        list(Service.objects.values()),
        AuditEntry.objects.filter(outcome="success").count(),
    ) == before
    assert CatalogueStamp.objects.get().value == stamp
    return caught.value.message


def test_they_are_replaced_whole_and_kept_in_order(version: Version, alice: User) -> None:
    set_grants(user=alice, name="churn", grants=[CONSUME_BOB])
    set_grants(user=alice, name="churn", grants=[MANAGE_ALICE, CONSUME_TEAM, MANAGE_ALICE])
    assert stored() == [CONSUME_TEAM.stored(), MANAGE_ALICE.stored()]


def test_a_group_is_granted_once_whatever_its_case(version: Version, alice: User) -> None:
    again = Grant("consume", "group", "TEAM")
    set_grants(user=alice, name="churn", grants=[CONSUME_TEAM, again])
    assert stored() == [again.stored()]


def test_the_catalogue_is_told(version: Version, alice: User) -> None:
    stamp = CatalogueStamp.objects.get().value
    set_grants(user=alice, name="churn", grants=[CONSUME_BOB])
    assert CatalogueStamp.objects.get().value != stamp
    assert published_version("churn", "v1").access == Access.of([CONSUME_BOB.stored()])


def test_the_change_is_audited_with_before_and_after(version: Version, alice: User) -> None:
    set_grants(user=alice, name="churn", grants=[CONSUME_BOB])
    set_grants(user=alice, name="churn", grants=[])
    entry = AuditEntry.objects.filter(action="set grants").first()
    assert entry is not None
    assert (entry.username, entry.object) == ("alice", "churn")
    assert entry.before == {"grants": [CONSUME_BOB.stored()]}
    assert entry.after == {"grants": []}


def test_an_owner_sets_them_on_any_service(version: Version, admin: User) -> None:
    set_grants(user=admin, name="churn", grants=[MANAGE_BOB])
    assert stored() == [MANAGE_BOB.stored()]


def test_others_than_managers_and_owners_may_not(version: Version, bob: User, rita: User) -> None:
    assert "Owner" in refuse(Forbidden, bob, CONSUME_BOB)
    refuse(Forbidden, rita)
    refuse(Forbidden, create_user("nobody"))


def test_who_only_published_a_further_version_may_not(version: Version, bob: User) -> None:
    create_version(bob, version="v2")
    refuse(Forbidden, bob, MANAGE_BOB)


def test_a_manager_by_grant_may(version: Version, admin: User, bob: User) -> None:
    set_grants(user=admin, name="churn", grants=[MANAGE_BOB])
    set_grants(user=bob, name="churn", grants=[MANAGE_BOB, CONSUME_TEAM])
    assert len(stored()) == 2


def test_nobody_shuts_themselves_out(version: Version, admin: User, alice: User, bob: User) -> None:
    assert "to yourself" in refuse(InvalidRequest, alice, MANAGE_BOB)
    set_grants(user=admin, name="churn", grants=[MANAGE_BOB])
    refuse(InvalidRequest, bob)


@pytest.mark.parametrize(
    "grant",
    [
        Grant("use", "user", "bob"),
        Grant("consume", "role", "bob"),
        Grant("consume", "user", ""),
        Grant("consume", "user", " "),
        Grant("consume", "user", "bob "),
        Grant("consume", "user", "a\0b"),
        Grant("consume", "group", "x" * 257),
    ],
)
def test_what_can_be_no_grant_is_refused(version: Version, alice: User, grant: Grant) -> None:
    refuse(InvalidRequest, alice, CONSUME_BOB, grant)


def test_their_number_is_bounded(version: Version, alice: User) -> None:
    many = [Grant("consume", "user", f"user{number}") for number in range(MAX_GRANTS + 1)]
    refuse(InvalidRequest, alice, *many)


def test_an_unknown_service_has_none(version: Version, admin: User) -> None:
    refuse(NotFound, admin, name="other")
    refuse(NotFound, admin, name="a\0b")


def test_a_list_that_was_changed_meanwhile_is_not_replaced(version: Version, alice: User) -> None:
    former = revision(stored())
    set_grants(user=alice, name="churn", grants=[CONSUME_BOB], former=former)
    refuse(Conflict, alice, CONSUME_TEAM, former=former)


def test_a_manager_changes_and_publishes_what_others_published(
    version: Version, admin: User, alice: User, bob: User
) -> None:
    set_grants(user=admin, name="churn", grants=[MANAGE_BOB])
    patch_version(user=bob, name="churn", version="v1", definition=Definition(description="new"))
    create_version(bob, version="v2")
    with pytest.raises(Forbidden, match="Only a manager of churn or an Owner"):
        create_version(alice, version="v3")
    delete_version(user=bob, name="churn", version="v1")
    assert [each.version for each in Version.objects.all()] == ["v2"]


def test_without_grants_the_service_goes_with_its_last_version(
    version: Version, alice: User
) -> None:
    delete_version(user=alice, name="churn", version="v1")
    assert not Service.objects.exists()


def test_grants_outlive_the_last_version_for_its_publisher(
    version: Version, alice: User, bob: User
) -> None:
    set_grants(user=alice, name="churn", grants=[CONSUME_TEAM])
    delete_version(user=alice, name="churn", version="v1")
    with pytest.raises(Forbidden):
        create_version(bob, version="v1")
    create_version(alice, version="v1")
    assert stored() == [CONSUME_TEAM.stored(), MANAGE_ALICE.stored()]
    entry = AuditEntry.objects.filter(action="set grants").first()
    assert entry is not None
    assert (entry.username, entry.after) == ("alice", {"grants": stored()})


def test_grants_outlive_the_last_version_as_they_are_where_they_name_managers(
    version: Version, admin: User, alice: User
) -> None:
    set_grants(user=admin, name="churn", grants=[MANAGE_BOB])
    delete_version(user=alice, name="churn", version="v1")
    assert stored() == [MANAGE_BOB.stored()]


def test_a_service_without_versions_goes_with_its_grants(version: Version, alice: User) -> None:
    set_grants(user=alice, name="churn", grants=[CONSUME_TEAM])
    delete_version(user=alice, name="churn", version="v1")
    set_grants(user=alice, name="churn", grants=[])
    assert not Service.objects.exists()
