"""What Owners do with accounts that are kept here."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from mlops.accounts import local_accounts, tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.bearers import credentials_of
from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role, role_of
from mlops.accounts.service_accounts import create_service_account
from mlops.errors import Conflict, Forbidden, InvalidRequest, MlopsError, NotFound, NotSignedIn
from tests.conftest import CONTRIBUTORS, PASSWORD, create_user

NEW = "Brand-New-7"
OWNERS = "chiefs"


@pytest.fixture
def olga(db: None, settings: Settings) -> User:
    """An Owner by a group."""
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [CONTRIBUTORS], "Reader": []}
    return create_user("olga", group=OWNERS)


def audited(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")


def test_a_new_account_signs_in_in_the_role_of_its_groups(olga: User) -> None:
    made = local_accounts.create_account(
        user=olga, name="nina", password=NEW, display_name="Nina", groups=[CONTRIBUTORS, "x"]
    )
    assert made.check_password(NEW)
    assert role_of(made) == Role.CONTRIBUTOR
    assert not made.is_superuser
    entry = audited("create account")
    assert (entry.username, entry.object, entry.after) == (
        "olga",
        "nina",
        {"groups": [CONTRIBUTORS, "x"]},
    )
    assert NEW not in str(AuditEntry.objects.values_list())


@pytest.mark.parametrize(
    ("name", "password", "groups", "refusal"),
    [
        ("OLGA", NEW, [], Conflict),
        ("with blank", NEW, [], InvalidRequest),
        ("", NEW, [], InvalidRequest),
        ("nina", "short", [], InvalidRequest),
        ("nina", NEW, ["a\0b"], InvalidRequest),
        ("nina", NEW, ["g" * 151], InvalidRequest),
        ("nina", NEW, [str(n) for n in range(101)], InvalidRequest),
    ],
)
def test_what_cannot_be_an_account_is_refused(
    olga: User, name: str, password: str, groups: list[str], refusal: type[MlopsError]
) -> None:
    with pytest.raises(refusal):
        local_accounts.create_account(user=olga, name=name, password=password, groups=groups)
    assert User.objects.count() == 1


def test_no_account_is_made_while_people_come_from_a_directory(
    admin: User, settings: Settings
) -> None:
    settings.SIGN_IN_METHOD = "ldap"
    with pytest.raises(Conflict, match="make the account there"):
        local_accounts.create_account(user=admin, name="nina", password=NEW)


def test_a_reset_password_ends_the_sign_ins(olga: User) -> None:
    rob = create_user("rob")
    pair = tokens.issue(rob)
    local_accounts.reset_password(user=olga, name="rob", password=NEW)
    assert User.objects.get(username="rob").check_password(NEW)
    with pytest.raises(NotSignedIn):
        credentials_of(pair.access_token)
    assert audited("set password").username == "olga"


def test_a_reset_password_makes_no_account(olga: User) -> None:
    with pytest.raises(NotFound):
        local_accounts.reset_password(user=olga, name="admin", password=NEW)
    assert User.objects.count() == 1


def test_other_groups_are_another_role_at_once(olga: User) -> None:
    create_user("rob")
    changed = local_accounts.set_groups(user=olga, name="rob", groups=[OWNERS])
    assert role_of(User.objects.get(pk=changed.pk)) == Role.OWNER
    entry = audited("set groups")
    assert (entry.before, entry.after) == ({"groups": []}, {"groups": [OWNERS]})


def test_who_is_kept_out_comes_in_neither_by_token_nor_by_key(olga: User) -> None:
    rob = create_user("rob", group=CONTRIBUTORS)
    pair, key = tokens.issue(rob), create_api_key(user=rob, name="k")
    local_accounts.deactivate(user=olga, name="rob")
    for text in (pair.access_token, key.text):
        with pytest.raises(NotSignedIn):
            credentials_of(text)
    local_accounts.activate(user=olga, name="rob")
    assert credentials_of(key.text).user == rob
    with pytest.raises(NotSignedIn):
        credentials_of(pair.access_token)
    assert audited("deactivate account").object == audited("activate account").object == "rob"


def test_a_service_account_is_kept_out_and_let_in(olga: User) -> None:
    create_service_account(user=olga, name="robot", role=Role.READER)
    key = create_api_key(user=olga, name="k", account="robot")
    local_accounts.deactivate(user=olga, name="robot")
    with pytest.raises(NotSignedIn):
        credentials_of(key.text)
    local_accounts.activate(user=olga, name="robot")
    assert credentials_of(key.text).user.username == "robot"


def test_nobody_keeps_themselves_out(olga: User) -> None:
    create_user("otto", group=OWNERS)
    with pytest.raises(Conflict, match="ask another Owner"):
        local_accounts.deactivate(user=olga, name="olga")
    assert User.objects.get(username="olga").is_active


def test_the_last_owner_stays_one(olga: User) -> None:
    with pytest.raises(Conflict, match="No Owner would be left"):
        local_accounts.set_groups(user=olga, name="olga", groups=[CONTRIBUTORS])
    assert role_of(User.objects.get(username="olga")) == Role.OWNER
    create_user("otto", group=OWNERS)
    local_accounts.set_groups(user=olga, name="olga", groups=[CONTRIBUTORS])
    assert role_of(User.objects.get(username="olga")) == Role.CONTRIBUTOR


def test_an_owner_that_is_kept_out_does_not_count(olga: User) -> None:
    create_user("otto", group=OWNERS)
    local_accounts.deactivate(user=olga, name="otto")
    with pytest.raises(Conflict):
        local_accounts.set_groups(user=olga, name="olga", groups=[])


@pytest.mark.parametrize("change", [local_accounts.deactivate, local_accounts.activate])
def test_accounts_of_a_directory_are_changed_there(olga: User, change: Callable[..., Any]) -> None:
    User.objects.create(username="dora", sign_in_method="ldap")
    with pytest.raises(InvalidRequest, match="there"):
        change(user=olga, name="dora")
    with pytest.raises(InvalidRequest, match="no groups here"):
        local_accounts.set_groups(user=olga, name="dora", groups=["x"])


CHANGES: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (local_accounts.create_account, {"name": "nina", "password": NEW}),
    (local_accounts.reset_password, {"name": "olga", "password": NEW}),
    (local_accounts.set_groups, {"name": "carol", "groups": [OWNERS]}),
    (local_accounts.deactivate, {"name": "olga"}),
    (local_accounts.activate, {"name": "olga"}),
]


@pytest.mark.parametrize(("change", "arguments"), CHANGES)
@pytest.mark.parametrize("by_key", [False, True])
def test_only_an_owner_who_has_signed_in_may(
    olga: User, change: Callable[..., Any], arguments: dict[str, Any], by_key: bool
) -> None:
    carol = create_user("carol", group=CONTRIBUTORS)
    caller = carol
    if by_key:
        caller = credentials_of(create_api_key(user=olga, name="k").text).user
    before = list(User.objects.order_by("pk").values())
    with pytest.raises(Forbidden):
        change(user=caller, **arguments)
    assert list(User.objects.order_by("pk").values()) == before
    assert role_of(User.objects.get(pk=carol.pk)) == Role.CONTRIBUTOR
    assert AuditEntry.objects.latest("pk").outcome == "refused"


@pytest.mark.parametrize("name", ["nobody", "a\0b"])
def test_unknown_accounts_are_not_found(olga: User, name: str) -> None:
    for change in (local_accounts.deactivate, local_accounts.activate):
        with pytest.raises(NotFound):
            change(user=olga, name=name)
    with pytest.raises(NotFound):
        local_accounts.set_groups(user=olga, name=name, groups=[])
    with pytest.raises(NotFound):
        local_accounts.reset_password(user=olga, name=name, password=PASSWORD)
