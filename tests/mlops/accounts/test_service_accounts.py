"""Accounts of applications."""

import pytest
from django.contrib.auth import authenticate
from pytest_django import Settings

from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role, role_of
from mlops.accounts.service_accounts import (
    create_service_account,
    remove_service_account,
    service_accounts,
)
from mlops.errors import Conflict, Forbidden, InvalidRequest, NotFound
from services.models import Version
from tests.conftest import PASSWORD
from tests.services.create import create_version


@pytest.mark.parametrize("role", Role)
def test_it_has_the_role_it_was_made_with(
    admin: User, settings: Settings, declared_groups: None, role: Role
) -> None:
    account = create_service_account(user=admin, name="robot", role=role)
    assert role_of(account) is role
    settings.SIGN_IN_METHOD = "ldap"
    assert role_of(User.objects.get(username="robot")) is role


def test_it_has_no_password(admin: User) -> None:
    account = create_service_account(user=admin, name="robot", role=Role.OWNER)
    assert not account.has_usable_password()
    account.set_password(PASSWORD)
    account.save()
    assert authenticate(None, username="robot", password=PASSWORD) is None


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 151, "ro\nbot", "<b>"])
def test_a_name_that_is_none_is_refused(admin: User, name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        create_service_account(user=admin, name=name, role=Role.READER)
    assert refused.value.fields == "name"
    assert not service_accounts().exists()


@pytest.mark.parametrize("name", ["alice", "ALICE", "robot", "Robot"])
def test_a_name_that_is_taken_is_refused(admin: User, alice: User, name: str) -> None:
    create_service_account(user=admin, name="robot", role=Role.READER)
    before = list(User.objects.values())
    with pytest.raises(Conflict):
        create_service_account(user=admin, name=name, role=Role.OWNER)
    assert list(User.objects.values()) == before


def test_only_an_owner_makes_and_removes_them(admin: User, alice: User) -> None:
    create_service_account(user=admin, name="robot", role=Role.READER)
    with pytest.raises(Forbidden):
        create_service_account(user=alice, name="other", role=Role.READER)
    with pytest.raises(Forbidden):
        remove_service_account(user=alice, name="robot")
    assert [account.username for account in service_accounts()] == ["robot"]


def test_what_it_published_stays_when_it_is_removed(admin: User) -> None:
    account = create_service_account(user=admin, name="robot", role=Role.CONTRIBUTOR)
    create_version(account)
    remove_service_account(user=admin, name="robot")
    assert Version.objects.get().published_by == "robot"
    assert not service_accounts().exists()


@pytest.mark.parametrize("description", ["x" * 257, "a\nb", "\0", "\ud800"])
def test_a_description_that_cannot_be_shown_is_refused(admin: User, description: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        create_service_account(user=admin, name="x", role=Role.READER, description=description)
    assert refused.value.fields == "description"
    assert not service_accounts().exists()


@pytest.mark.parametrize("name", ["alice", "nobody", "\0", "\ud800"])
def test_only_service_accounts_are_removed(admin: User, alice: User, name: str) -> None:
    with pytest.raises(NotFound):
        remove_service_account(user=admin, name=name)
    assert User.objects.filter(username="alice").exists()


def test_making_and_removing_are_entered_into_the_audit_trail(admin: User) -> None:
    create_service_account(user=admin, name="robot", role=Role.READER)
    remove_service_account(user=admin, name="robot")
    entries = AuditEntry.objects.order_by("pk").values_list("action", "object", "username")
    assert list(entries) == [
        ("create service account", "robot", "admin"),
        ("remove service account", "robot", "admin"),
    ]
