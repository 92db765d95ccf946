"""Who may do what with a service, with and without grants."""

from typing import Any

import pytest
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from mlops.errors import Forbidden
from services.grants import Grant
from services.models import Service, Version
from services.permissions import (
    consumable,
    may_consume,
    may_govern,
    may_write,
    require_publish,
)
from tests.services.create import create_version

OWNER, CONTRIBUTOR, READER = Role.OWNER, Role.CONTRIBUTOR, Role.READER
CONSUME_BOB = Grant("consume", "user", "bob")
CONSUME_TEAM = Grant("consume", "group", "Team")
MANAGE_BOB = Grant("manage", "user", "bob")
MANAGE_TEAM = Grant("manage", "group", "Team")


def somebody(name: str, role: Role | None = CONTRIBUTOR, *groups: str) -> Caller:
    return Caller(1, name, role, frozenset(groups))


def restricted(publisher: User, *grants: Grant) -> Version:
    """A version, alice's, of a service with these grants."""
    version = create_version(publisher)
    Service.objects.update(grants=[each.stored() for each in grants])
    return Version.objects.get(pk=version.pk)


def may_publish(caller: Caller, name: str = "churn") -> bool:
    try:
        require_publish(name, caller)
    except Forbidden:
        return False
    return True


def is_shown(caller: Caller) -> bool:
    return consumable(Version.objects.all(), caller).exists()


@pytest.mark.parametrize(
    ("grants", "caller", "expected"),
    [
        ([], somebody("rita", READER), True),
        ([CONSUME_BOB], somebody("bob", READER), True),
        ([CONSUME_BOB], somebody("Bob"), False),
        ([CONSUME_BOB], somebody("carol"), False),
        ([CONSUME_BOB], somebody("carol", READER, "bob"), False),
        ([CONSUME_TEAM], somebody("carol", READER, "team"), True),
        ([CONSUME_TEAM], somebody("team"), False),
        ([CONSUME_TEAM], somebody("carol", CONTRIBUTOR, "other"), False),
        ([CONSUME_TEAM, MANAGE_BOB], somebody("bob"), True),
        ([CONSUME_BOB, MANAGE_TEAM], somebody("carol", READER, "team"), True),
        ([CONSUME_BOB], somebody("alice"), True),
        ([CONSUME_BOB], somebody("alice", READER), True),
        ([CONSUME_BOB], somebody("admin", OWNER), True),
        ([MANAGE_BOB], somebody("carol", READER), True),
    ],
)
def test_who_may_consume_and_sees_it_in_lists(
    alice: User, grants: list[Grant], caller: Caller, expected: bool
) -> None:
    assert may_consume(restricted(alice, *grants), caller) is expected
    assert is_shown(caller) is expected


def test_publishing_one_version_opens_no_other(alice: User, bob: User) -> None:
    create_version(bob, version="v2")
    version = restricted(alice, CONSUME_TEAM)
    assert not may_consume(version, somebody("bob"))
    assert [each.version for each in consumable(Version.objects.all(), somebody("bob"))] == ["v2"]


@pytest.mark.parametrize(
    ("grants", "caller", "expected"),
    [
        ([], somebody("alice"), True),
        ([], somebody("bob"), False),
        ([], somebody("admin", OWNER), True),
        ([CONSUME_BOB], somebody("bob"), False),
        ([MANAGE_BOB], somebody("bob"), True),
        ([MANAGE_BOB], somebody("bob", READER), False),
        ([MANAGE_BOB], somebody("bob", None), False),
        ([MANAGE_TEAM], somebody("bob", CONTRIBUTOR, "team"), True),
        ([MANAGE_TEAM], somebody("bob", READER, "team"), False),
        ([MANAGE_BOB], somebody("alice"), True),
        ([MANAGE_BOB], somebody("alice", READER), False),
        ([MANAGE_BOB], somebody("admin", OWNER), True),
    ],
)
def test_who_may_change_a_version(
    alice: User, grants: list[Grant], caller: Caller, expected: bool
) -> None:
    assert may_write(restricted(alice, *grants), caller) is expected


@pytest.mark.parametrize(
    ("grants", "caller", "expected"),
    [
        ([], somebody("bob"), True),
        ([CONSUME_BOB], somebody("bob"), True),
        ([CONSUME_BOB], somebody("alice"), True),
        ([CONSUME_BOB], somebody("carol"), False),
        ([MANAGE_BOB], somebody("bob"), True),
        ([MANAGE_BOB], somebody("carol"), False),
        ([MANAGE_BOB], somebody("alice"), False),
        ([MANAGE_BOB, CONSUME_TEAM], somebody("carol", CONTRIBUTOR, "team"), False),
        ([MANAGE_TEAM], somebody("carol", CONTRIBUTOR, "team"), True),
        ([MANAGE_BOB], somebody("admin", OWNER), True),
    ],
)
def test_who_may_publish_under_the_name(
    alice: User, grants: list[Grant], caller: Caller, expected: bool
) -> None:
    restricted(alice, *grants)
    assert may_publish(caller) is expected
    assert may_publish(caller, "another")


@pytest.mark.parametrize(
    ("grants", "caller", "expected"),
    [
        ([], somebody("alice"), True),
        ([], somebody("alice", READER), False),
        ([], somebody("bob"), False),
        ([CONSUME_BOB], somebody("alice"), True),
        ([CONSUME_BOB], somebody("bob"), False),
        ([MANAGE_BOB], somebody("alice"), False),
        ([MANAGE_BOB], somebody("bob"), True),
        ([MANAGE_BOB], somebody("bob", READER), False),
        ([MANAGE_BOB], somebody("admin", OWNER), True),
    ],
)
def test_who_may_set_grants(
    alice: User, grants: list[Grant], caller: Caller, expected: bool
) -> None:
    assert may_govern(restricted(alice, *grants).service, caller) is expected


def test_a_service_with_versions_of_several_publishers_is_governed_by_owners(
    alice: User, bob: User
) -> None:
    create_version(bob, version="v2")
    service = restricted(alice).service
    for caller, expected in (
        (somebody("alice"), False),
        (somebody("bob"), False),
        (somebody("admin", OWNER), True),
    ):
        assert may_govern(service, caller) is expected


def test_open_services_cost_one_look(alice: User, django_assert_num_queries: Any) -> None:
    version = Version.objects.select_related("service").get(pk=create_version(alice).pk)
    with django_assert_num_queries(0):
        assert version.access is None
        assert may_consume(version, somebody("rita", READER))


@pytest.mark.parametrize(("method", "is_hers"), [("local", False), ("ldap", True), ("entra", True)])
def test_names_of_directories_compare_without_regard_to_case(
    alice: User, settings: Settings, method: str, is_hers: bool
) -> None:
    settings.SIGN_IN_METHOD = method
    hers = restricted(alice, Grant("consume", "user", "dora@example.org"))
    assert may_consume(hers, somebody("Dora@Example.org", READER)) is is_hers
    Version.objects.update(published_by="Dora@Example.org")
    Service.objects.update(grants=[CONSUME_BOB.stored()])
    hers = Version.objects.get()
    for name, expected in (
        ("Dora@Example.org", True),
        ("dora@example.org", is_hers),
        ("nora@example.org", False),
    ):
        assert may_write(hers, somebody(name)) is expected
        assert may_govern(hers.service, somebody(name)) is expected
        assert may_consume(hers, somebody(name)) is expected
        assert is_shown(somebody(name)) is expected
        assert not may_write(hers, somebody(name, READER))
