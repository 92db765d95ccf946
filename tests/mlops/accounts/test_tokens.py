"""Token pairs on the database: issued, renewed, revoked (wire-api section 9)."""

import hashlib
import re
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts import access_token, bearers, tokens
from mlops.accounts.models import AuditEntry, RefreshToken, TokenFamily, User
from mlops.errors import NotSignedIn


def claims_of(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


def rows() -> list[tuple[object, ...]]:
    """Everything that tokens leave in the database, to prove that nothing changed."""
    families = TokenFamily.objects.order_by("pk").values_list()
    refresh_tokens = RefreshToken.objects.order_by("pk").values_list()
    return [*families, *refresh_tokens]


def test_the_access_token_names_its_user(alice: User) -> None:
    assert bearers.credentials_of(tokens.issue(alice).access_token).user == alice


def test_the_header_begins_as_in_the_original(alice: User) -> None:
    assert tokens.issue(alice).access_token.startswith("eyJhbGciOiJSUzUxMiIs")


def test_the_claims_are_those_of_the_contract(alice: User) -> None:
    alice.first_name, alice.last_name, alice.email = "Alice", "Liddell", "alice@example.org"
    pair = tokens.issue(alice)
    claims = claims_of(pair.access_token)
    assert claims["sub"] == claims["upn"] == "alice"
    assert claims["name"] == "Alice Liddell"
    assert claims["email"] == "alice@example.org"
    assert re.fullmatch(r"[0-9A-F]{128}", str(claims["sid"]))
    assert claims["exp"] == pair.expires_on
    assert claims["iat"] == claims["nbf"] == pair.expires_on - 3600
    assert pair.expires_in == 3600
    assert set(claims) == {
        *("sub", "upn", "name", "email", "jti", "sid", "iat", "nbf", "exp", "iss", "aud")
    }


def test_the_login_session_id_stays_over_renewals_and_differs_between_logins(alice: User) -> None:
    first = tokens.issue(alice)
    renewed = tokens.renew(first.refresh_token)
    other = tokens.issue(alice)
    sids = [claims_of(pair.access_token)["sid"] for pair in (first, renewed, other)]
    assert sids[0] == sids[1] != sids[2]


def test_the_database_holds_only_the_digest_of_a_refresh_token(alice: User) -> None:
    pair = tokens.issue(alice)
    assert RefreshToken.objects.get().pk == hashlib.sha256(pair.refresh_token.encode()).hexdigest()
    assert pair.refresh_token not in repr(rows())
    assert pair.access_token not in repr(rows())


def test_a_refresh_token_is_safe_in_a_url(alice: User) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{86}", tokens.issue(alice).refresh_token)


def test_a_renewal_kills_the_older_access_token_at_once(alice: User) -> None:
    old = tokens.issue(alice)
    new = tokens.renew(old.refresh_token)
    assert bearers.credentials_of(new.access_token).user == alice
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(old.access_token)


def test_a_revocation_kills_the_pair_at_once(alice: User) -> None:
    pair = tokens.issue(alice)
    tokens.revoke(pair.refresh_token)
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(pair.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)


def test_a_revocation_leaves_other_logins_alone(alice: User) -> None:
    here, there = tokens.issue(alice), tokens.issue(alice)
    tokens.revoke(here.refresh_token)
    assert bearers.credentials_of(there.access_token).user == alice


def test_revoking_all_ends_every_login_of_that_user_only(alice: User, bob: User) -> None:
    hers, his = [tokens.issue(alice), tokens.issue(alice)], tokens.issue(bob)
    tokens.revoke_all(alice)
    for pair in hers:
        with pytest.raises(NotSignedIn):
            bearers.credentials_of(pair.access_token)
    assert bearers.credentials_of(his.access_token).user == bob


def test_a_reused_refresh_token_kills_its_family(alice: User) -> None:
    stolen = tokens.issue(alice)
    newest = tokens.renew(stolen.refresh_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(stolen.refresh_token)
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(newest.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(newest.refresh_token)


def test_what_becomes_of_a_login_is_entered_into_the_audit_trail(alice: User) -> None:
    left, stolen = tokens.issue(alice), tokens.issue(alice)
    tokens.revoke(left.refresh_token)
    tokens.renew(stolen.refresh_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(stolen.refresh_token)
    entries = AuditEntry.objects.order_by("pk")
    assert list(entries.values_list("action", "username", "outcome")) == [
        ("sign out", "alice", "success"),
        ("use refresh token", "alice", "refused"),
    ]
    for pair in (left, stolen):
        assert pair.refresh_token not in repr(list(entries.values()))


@pytest.mark.parametrize("method", ["ldap", "entra"])
def test_no_pair_is_had_for_an_account_of_another_method(
    alice: User, settings: Settings, method: str
) -> None:
    pair = tokens.issue(alice)
    settings.SIGN_IN_METHOD = method
    before = rows()
    with pytest.raises(NotSignedIn):
        tokens.issue(alice)
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)
    assert rows() == before


def test_a_used_refresh_token_cannot_revoke_quietly_but_kills_its_family(alice: User) -> None:
    stolen = tokens.issue(alice)
    newest = tokens.renew(stolen.refresh_token)
    with pytest.raises(NotSignedIn):
        tokens.revoke(stolen.refresh_token)
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(newest.access_token)


@pytest.mark.parametrize("text", ["", "x", "a/b+c==", "\x00", "\ud800", "é" * 10_000])
@pytest.mark.parametrize("use", [tokens.renew, tokens.revoke])
def test_an_unknown_refresh_token_is_refused(alice: User, use: object, text: str) -> None:
    tokens.issue(alice)
    before = rows()
    with pytest.raises(NotSignedIn):
        use(text)  # type: ignore[operator]
    assert rows() == before


@pytest.mark.parametrize("use", [tokens.renew, tokens.revoke])
def test_a_refresh_token_unused_for_14_days_is_refused(alice: User, use: object) -> None:
    pair = tokens.issue(alice)
    RefreshToken.objects.update(expires_at=timezone.now())
    before = rows()
    with pytest.raises(NotSignedIn):
        use(pair.refresh_token)  # type: ignore[operator]
    assert rows() == before


def test_a_refresh_token_lives_14_days(alice: User) -> None:
    tokens.issue(alice)
    row = RefreshToken.objects.select_related("family").get()
    assert row.expires_at - row.family.created_at == timedelta(days=14)


def test_the_chain_of_renewals_ends_90_days_after_login(alice: User) -> None:
    pair = tokens.issue(alice)
    login = timezone.now() - timedelta(days=80)
    TokenFamily.objects.update(created_at=login)
    tokens.renew(pair.refresh_token)
    newest = RefreshToken.objects.get(used_at=None)
    assert newest.expires_at == login + timedelta(days=90)


def test_an_inactive_user_gets_no_pair(alice: User) -> None:
    alice.is_active = False
    alice.save()
    with pytest.raises(NotSignedIn):
        tokens.issue(alice)
    assert rows() == []


def test_an_inactive_user_cannot_renew(alice: User) -> None:
    pair = tokens.issue(alice)
    User.objects.update(is_active=False)
    before = rows()
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)
    assert rows() == before


def test_an_inactive_user_s_access_token_is_refused(alice: User) -> None:
    pair = tokens.issue(alice)
    User.objects.update(is_active=False)
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(pair.access_token)


def test_a_deleted_user_s_tokens_are_refused(alice: User) -> None:
    pair = tokens.issue(alice)
    alice.delete()
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(pair.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)


def test_a_new_user_of_the_same_name_does_not_inherit_tokens(alice: User) -> None:
    pair = tokens.issue(alice)
    alice.delete()
    User.objects.create_user("alice")
    with pytest.raises(NotSignedIn):
        bearers.credentials_of(pair.access_token)


def test_the_refusal_shows_no_token(alice: User) -> None:
    pair = tokens.issue(alice)
    tokens.revoke(pair.refresh_token)
    with pytest.raises(NotSignedIn) as refused:
        tokens.renew(pair.refresh_token)
    assert pair.refresh_token not in refused.value.message


class TestRemoveDead:
    """The hourly sweep."""

    def test_living_families_stay(self, alice: User) -> None:
        pair = tokens.renew(tokens.issue(alice).refresh_token)
        assert tokens.remove_dead(timezone.now()) == 0
        assert bearers.credentials_of(pair.access_token).user == alice

    def test_revoked_families_go_with_their_tokens(self, alice: User) -> None:
        tokens.revoke(tokens.issue(alice).refresh_token)
        living = tokens.issue(alice)
        assert tokens.remove_dead(timezone.now()) == 1
        assert RefreshToken.objects.count() == 1
        assert bearers.credentials_of(living.access_token).user == alice

    def test_expired_families_go_once_their_access_token_expired_too(self, alice: User) -> None:
        tokens.issue(alice)
        expired = timezone.now() + timedelta(days=14)
        assert tokens.remove_dead(expired + timedelta(minutes=30)) == 0
        assert tokens.remove_dead(expired + timedelta(hours=2)) == 1
        assert rows() == []

    def test_a_used_token_stays_as_a_trap_until_it_expires(self, alice: User) -> None:
        used = tokens.issue(alice)
        tokens.renew(used.refresh_token)
        tokens.remove_dead(timezone.now())
        with pytest.raises(NotSignedIn):
            tokens.renew(used.refresh_token)
        assert TokenFamily.objects.get().revoked_at is not None


def test_tokens_of_another_lifetime_setting_say_so(alice: User, settings: Settings) -> None:
    settings.ACCESS_TOKEN_SECONDS = 60
    pair = tokens.issue(alice)
    assert pair.expires_in == 60
    assert access_token.read(pair.access_token).expires_on == pair.expires_on
