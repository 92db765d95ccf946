"""Making and revoking API keys."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from mlops.accounts import bearers
from mlops.accounts.api_keys import actions
from mlops.accounts.api_keys.actions import create_api_key, revoke_api_key, visible_keys
from mlops.accounts.models import ApiKey, AuditEntry, User
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import create_service_account
from mlops.errors import Forbidden, InvalidRequest, LimitReached, MlopsError, NotFound
from tests.conftest import create_user


@pytest.fixture
def robot(admin: User) -> User:
    return create_service_account(user=admin, name="robot", role=Role.READER)


def test_the_database_holds_no_key(alice: User) -> None:
    made = create_api_key(user=alice, name="own")
    rows = [*ApiKey.objects.values_list(), *AuditEntry.objects.values_list()]
    assert made.text not in repr(rows)
    assert made.text[23:87] not in repr(rows)


def test_a_key_is_good_for_a_year_unless_told_otherwise(alice: User) -> None:
    keys = [
        create_api_key(user=alice, name="own").key,
        create_api_key(user=alice, name="own", days=730).key,
    ]
    lives = [key.expires_at - key.created_at for key in keys]
    assert lives == [timedelta(days=365), timedelta(days=730)]


WRONG: dict[str, Mapping[str, Any]] = {
    "no name": {"name": ""},
    "a blank name": {"name": "  "},
    "a long name": {"name": "x" * 129},
    "a name of two lines": {"name": "a\nb"},
    "no days": {"days": 0},
    "for ever": {"days": 731},
    "no service": {"services": []},
    "an empty service": {"services": ["churn", ""]},
    "a service of two lines": {"services": ["a\nb"]},
    "too many services": {"services": ["x"] * 1001},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_makes_no_sense_is_refused(alice: User, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        create_api_key(**{"user": alice, "name": "own", **wrong})
    assert refused.value.fields == next(iter(wrong))
    assert not ApiKey.objects.exists()


def test_an_owner_makes_keys_of_service_accounts(admin: User, robot: User) -> None:
    made = create_api_key(user=admin, account="robot", name="nightly")
    assert bearers.credentials_of(made.text).user == robot


@pytest.mark.parametrize("account", ["robot", "admin", "bob", "nobody"])
def test_others_make_keys_of_their_own_accounts_only(
    alice: User, bob: User, robot: User, account: str
) -> None:
    with pytest.raises(Forbidden):
        create_api_key(user=alice, account=account, name="x")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("account", "error"),
    [("alice", Forbidden), ("nobody", NotFound), ("\0", NotFound), ("\ud800", NotFound)],
)
def test_an_owner_makes_no_keys_of_other_people(
    admin: User, alice: User, account: str, error: type[MlopsError]
) -> None:
    with pytest.raises(error):
        create_api_key(user=admin, account=account, name="x")
    assert not ApiKey.objects.exists()


def test_who_has_no_role_gets_no_key(db: None, declared_groups: None) -> None:
    with pytest.raises(Forbidden):
        create_api_key(user=create_user("mallory"), name="x")
    assert not ApiKey.objects.exists()


def test_an_account_has_only_so_many_keys(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "KEYS_PER_ACCOUNT", 2)
    for _ in range(2):
        create_api_key(user=alice, name="own")
    with pytest.raises(LimitReached):
        create_api_key(user=alice, name="own")
    assert ApiKey.objects.count() == 2


def test_everybody_sees_their_own_keys_and_an_owner_all(
    admin: User, alice: User, bob: User, robot: User
) -> None:
    made = {
        name: create_api_key(user=user, account=name, name="x").key
        for name, user in (("alice", alice), ("bob", bob), ("robot", admin))
    }
    assert list(visible_keys(alice)) == [made["alice"]]
    assert set(visible_keys(admin)) == set(made.values())


def test_a_revoked_key_opens_nothing(alice: User) -> None:
    made = create_api_key(user=alice, name="own")
    revoke_api_key(user=alice, key_id=made.key.pk)
    with pytest.raises(MlopsError):
        bearers.credentials_of(made.text)


def test_an_owner_revokes_everybodys(admin: User, alice: User) -> None:
    made = create_api_key(user=alice, name="own")
    revoke_api_key(user=admin, key_id=made.key.pk)
    assert not ApiKey.objects.exists()


def test_somebody_elses_key_is_unknown(alice: User, bob: User) -> None:
    made = create_api_key(user=alice, name="own")
    with pytest.raises(NotFound):
        revoke_api_key(user=bob, key_id=made.key.pk)
    assert bearers.credentials_of(made.text).user == alice


@pytest.mark.parametrize("key_id", ["", "\0", "\ud800", "0" * 16, "x" * 1000])
def test_a_key_that_is_none_is_unknown(admin: User, key_id: str) -> None:
    with pytest.raises(NotFound):
        revoke_api_key(user=admin, key_id=key_id)


def test_who_came_by_a_key_manages_none(admin: User, robot: User) -> None:
    made = create_api_key(user=admin, name="own")
    came = bearers.credentials_of(made.text).user
    before = [*ApiKey.objects.values(), *User.objects.values()]
    with pytest.raises(Forbidden, match="sign in"):
        create_api_key(user=came, name="another")
    with pytest.raises(Forbidden, match="sign in"):
        revoke_api_key(user=came, key_id=made.key.pk)
    with pytest.raises(Forbidden, match="sign in"):
        create_service_account(user=came, name="x", role=Role.OWNER)
    assert [*ApiKey.objects.values(), *User.objects.values()] == before


def test_making_and_revoking_are_entered_into_the_audit_trail(alice: User) -> None:
    made = create_api_key(user=alice, name="own", services=["churn"])
    revoke_api_key(user=alice, key_id=made.key.pk)
    created, revoked = AuditEntry.objects.order_by("pk")
    assert (created.action, revoked.action) == ("create API key", "revoke API key")
    assert created.object == revoked.object == f"alice/{made.key.pk}"
    assert created.after == revoked.before
    assert created.after
    assert created.after["services"] == ["churn"]
