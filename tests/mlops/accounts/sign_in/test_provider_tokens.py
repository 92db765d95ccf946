"""Access tokens of the provider as bearer tokens (wire-api section 9)."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from unittest.mock import ANY

import jwt
import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from mlops.accounts import token_cache
from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role
from mlops.accounts.sign_in import refreshing
from mlops.accounts.sign_in.entra import provider
from mlops.errors import DirectoryUnavailable, NotSignedIn
from tests.mlops.accounts.sign_in import scripted
from tests.mlops.accounts.sign_in.scripted import ScriptedDirectory
from tests.openid.running import (
    AUDIENCE,
    OWNERS,
    SCIENTISTS,
    TWINS,
    OpenIdProvider,
    SigningKey,
)

caller_of = async_to_sync(token_cache.caller_of)
KEYS = "/tenant/v2.0/jwks"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is asked again at once, not only after seconds."""
    monkeypatch.setattr(provider, "RETRY_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def declared_ids(settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [SCIENTISTS], "Reader": ["readers"]}


def status_of(token: str, client: Client | None = None) -> int:
    answer = (client or Client()).get("/services", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


class TestGoodOnes:
    """Tokens that open something."""

    def test_a_token_makes_an_account_of_its_user(self, openid: OpenIdProvider) -> None:
        assert status_of(openid.token("carol")) == 200
        user = User.objects.get()
        assert (user.username, user.sign_in_method) == ("carol@example.com", "entra")
        assert user.get_full_name() == "Carol"
        assert user.email == "carol@mail.example.com"
        assert user.directory_groups == [SCIENTISTS]
        assert not user.has_usable_password()

    @pytest.mark.parametrize(
        ("name", "role"), [("olga", Role.OWNER), ("carol", Role.CONTRIBUTOR), ("dave", None)]
    )
    def test_its_groups_give_the_role(
        self, openid: OpenIdProvider, name: str, role: Role | None
    ) -> None:
        assert caller_of(openid.token(name)).role == role
        assert status_of(openid.token(name)) == (200 if role else 403)

    def test_the_lane_and_the_views_know_the_same_user(self, openid: OpenIdProvider) -> None:
        token = openid.token()
        caller = caller_of(token)
        assert (caller.username, caller.groups) == ("carol@example.com", {SCIENTISTS})
        assert status_of(token) == 200
        assert User.objects.get().pk == caller.user_id

    def test_tokens_of_version_one_have_another_issuer(self, openid: OpenIdProvider) -> None:
        old = openid.token(iss=f"{openid.origin}/sts/", aud=f"api://{AUDIENCE}")
        assert status_of(old) == 200

    @pytest.mark.parametrize(
        ("claims", "name"),
        [
            ({}, "carol@example.com"),
            ({"upn": None, "preferred_username": "c@example.com"}, "c@example.com"),
            (
                {"upn": None, "preferred_username": None, "unique_name": "u@example.com"},
                "u@example.com",
            ),
        ],
    )
    def test_the_user_is_the_first_name_that_is_there(
        self, openid: OpenIdProvider, claims: dict[str, str | None], name: str
    ) -> None:
        assert caller_of(openid.token(**claims)).username == name

    def test_names_in_other_letters_are_one_user(self, openid: OpenIdProvider) -> None:
        first = caller_of(openid.token())
        again = caller_of(openid.token(upn="CAROL@Example.com"))
        assert again == first

    def test_the_next_calls_read_nothing(
        self, openid: OpenIdProvider, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        token = openid.token()
        first = caller_of(token)
        with django_assert_num_queries(0):
            assert caller_of(token) == first

    def test_many_busy_tokens_are_read_again_in_one_query(
        self,
        openid: OpenIdProvider,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        busy = [openid.token(name) for name in ("carol", "olga", "carol")]
        callers = [caller_of(token) for token in busy]
        token_cache.changes.note()
        with django_assert_num_queries(1):
            assert [caller_of(token) for token in busy] == callers

    def test_a_session_there_is_one_here(self, openid: OpenIdProvider) -> None:
        ids = [caller_of(openid.token(sid=sid)).login_session_id for sid in ("one", "one", "two")]
        assert ids[0] == ids[1] != ids[2]
        assert all(re.fullmatch("[0-9A-F]{128}", each) for each in ids)

    def test_newer_tokens_bring_new_groups_and_older_ones_do_not(
        self, openid: OpenIdProvider
    ) -> None:
        old = openid.token(groups=[OWNERS])
        assert caller_of(old).role == Role.OWNER
        User.objects.update(directory_read_at=timezone.now() - timedelta(minutes=1))
        assert caller_of(openid.token(groups=[SCIENTISTS])).role == Role.CONTRIBUTOR
        token_cache.changes.note()
        assert caller_of(old).role == Role.CONTRIBUTOR

    def test_any_other_provider_has_one_issuer(self, plain_openid: OpenIdProvider) -> None:
        assert status_of(plain_openid.token(iss=plain_openid.origin)) == 200
        assert status_of(plain_openid.token(iss=f"{plain_openid.origin}/tenant/v2.0")) == 401

    def test_groups_may_have_another_claim(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.plain(groups_claim="roles")
        token = openid.token(iss=openid.origin, roles=OWNERS, groups=[])
        assert caller_of(token).role == Role.OWNER


def unsigned(openid: OpenIdProvider) -> str:
    return jwt.encode(openid.claims(), "", algorithm="none", headers={"kid": openid.key.key_id})


def with_the_public_key_as_secret(openid: OpenIdProvider) -> str:
    """HS256 with a text that everybody has; PyJWT would not make one, an attacker would."""
    public = openid.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _, body, _ = unsigned(openid).split(".")
    header = {"alg": "HS256", "typ": "JWT", "kid": openid.key.key_id}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    digest = hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def with_another_payload(openid: OpenIdProvider) -> str:
    head, _, signature = openid.token("carol").split(".")
    return f"{head}.{openid.token('olga').split('.')[1]}.{signature}"


def with_a_key_of_its_own(openid: OpenIdProvider) -> str:
    own = SigningKey(openid.key.key_id)
    return own.sign(openid.claims(), jwk=own.jwk, jku=f"{openid.origin}/control")


FORGERIES: dict[str, Callable[[OpenIdProvider], str]] = {
    "another key under the same id": lambda openid: SigningKey(openid.key.key_id).sign(
        openid.claims()
    ),
    "an unknown key": lambda openid: SigningKey().sign(openid.claims()),
    "no key id": lambda openid: openid.key.sign(openid.claims(), kid=""),
    "a path for a key id": lambda openid: openid.key.sign(openid.claims(), kid="../../etc/passwd"),
    "its own key in the header": with_a_key_of_its_own,
    "no signature": unsigned,
    "a public key as secret": with_the_public_key_as_secret,
    "another payload": with_another_payload,
    "another issuer": lambda openid: openid.token(iss="https://login.example.com/tenant/v2.0"),
    "another tenant": lambda openid: openid.token(iss=f"{openid.origin}/other/v2.0"),
    "the issuer of this server": lambda openid: openid.token(iss="mlops"),
    "no issuer": lambda openid: openid.token(iss=None),
    "another audience": lambda openid: openid.token(aud="00000003-0000-0000-c000-000000000000"),
    "no audience": lambda openid: openid.token(aud=None),
    "expired": lambda openid: openid.token(exp=int(timezone.now().timestamp()) - 60),
    "not yet valid": lambda openid: openid.token(nbf=int(timezone.now().timestamp()) + 600),
    "no end": lambda openid: openid.token(exp=None),
    "no user": lambda openid: openid.token("nobody"),
    "a name with a line break": lambda openid: openid.token(upn="carol\nadmin"),
    "a name too long": lambda openid: openid.token(upn="c" * 151),
    "an ID token": lambda openid: openid.key.sign(openid.claims(scp=None), typ="JWT"),
    "claims that are no object": lambda openid: jwt.api_jws.encode(
        b"[1]", openid.key.private, algorithm="RS256", headers={"kid": openid.key.key_id}
    ),
    "too long to look at": lambda openid: openid.token(more="x" * 100_000),
}


class TestForgedOnes:
    """Texts that look like tokens of the provider."""

    @pytest.mark.parametrize("kind", FORGERIES)
    def test_it_opens_nothing_and_leaves_nothing_behind(
        self, openid: OpenIdProvider, admin: User, kind: str
    ) -> None:
        token = FORGERIES[kind](openid)
        assert status_of(token) == 401
        with pytest.raises(NotSignedIn):
            caller_of(token)
        assert list(User.objects.values_list("username", flat=True)) == ["admin"]
        assert token not in token_cache._entries

    def test_an_application_is_told_what_to_do(self, openid: OpenIdProvider) -> None:
        answer = Client().get(
            "/services", headers={"Authorization": f"Bearer {openid.token('nobody')}"}
        )
        assert "The token names no user" in answer.json()["message"]

    def test_the_name_of_another_kind_of_account_opens_nothing(
        self, openid: OpenIdProvider, admin: User
    ) -> None:
        token = openid.token(upn="Admin")
        assert status_of(token) == 401
        admin.refresh_from_db()
        assert (admin.sign_in_method, admin.directory_groups) == ("local", [])

    def test_an_account_that_was_ended_stays_so(self, openid: OpenIdProvider) -> None:
        token = openid.token()
        assert status_of(token) == 200
        User.objects.update(is_active=False)
        assert status_of(token) == 401

    @pytest.mark.django_db(transaction=True)
    def test_an_account_that_the_directory_has_ended_is_not_revived_by_an_older_token(
        self, openid: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(refreshing._LOOK_UPS, "entra", f"{scripted.__name__}.look_up")
        monkeypatch.setattr(scripted, "directory", ScriptedDirectory())  # of nobody
        now = int(time.time())
        used, unused = openid.token(iat=now - 7200), openid.token(iat=now - 1800)
        assert status_of(used) == 200
        User.objects.update(directory_read_at=timezone.now() - timedelta(hours=1.5))
        assert status_of(used) == 401
        assert status_of(unused) == 401
        assert not User.objects.get().is_active

    def test_somebody_else_who_comes_by_the_same_name_has_not_the_account(
        self, openid: OpenIdProvider
    ) -> None:
        hers, theirs = openid.token(), openid.token("olga", upn="carol@example.com")
        assert status_of(hers) == 200
        before = User.objects.values().get()
        User.objects.update(directory_read_at=timezone.now() - timedelta(minutes=1))
        for _ in range(2):
            assert status_of(theirs) == 401
        assert User.objects.values().get() == before | {"directory_read_at": ANY}
        assert status_of(hers) == 200

    def test_an_account_that_is_released_is_the_next_one_s_who_has_the_name(
        self, openid: OpenIdProvider
    ) -> None:
        hers = openid.token()
        assert status_of(hers) == 200
        call_command("directory", "release", "carol@example.com", stdout=StringIO())
        assert status_of(hers) == 401
        assert User.objects.get().directory_id == ""
        later = int(time.time()) + 2
        theirs = openid.token("olga", upn="carol@example.com", iat=later)
        assert status_of(theirs) == 200
        assert status_of(hers) == 401
        assert User.objects.get().get_full_name() == "Olga"
        assert AuditEntry.objects.get(action="release account").object == "carol@example.com"

    def test_only_accounts_of_a_directory_are_released(
        self, openid: OpenIdProvider, admin: User
    ) -> None:
        with pytest.raises(CommandError, match="no account of a directory named 'admin'"):
            call_command("directory", "release", "admin")
        assert User.objects.get().is_active

    def test_unknown_keys_do_not_flood_the_provider(
        self, openid: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider, "RETRY_SECONDS", 3600.0)
        assert status_of(openid.token()) == 200
        before = openid.calls(KEYS)
        assert {status_of(SigningKey().sign(openid.claims())) for _ in range(5)} == {401}
        assert openid.calls(KEYS) == before

    def test_elsewhere_they_are_not_tokens_at_all(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.SIGN_IN_METHOD = "local"
        assert status_of(openid.token()) == 401
        assert not User.objects.exists()


class TestKeys:
    """The provider's keys, which change, and the provider, which may be away."""

    def test_a_new_key_counts_at_once_and_the_former_no_longer(
        self, openid: OpenIdProvider
    ) -> None:
        former = openid.token()
        assert status_of(former) == 200
        openid.rotate()
        assert status_of(openid.token("olga")) == 200
        with pytest.raises(NotSignedIn):  # read anew, as another web node would
            provider.provider().key(jwt.get_unverified_header(former)["kid"])

    def test_known_keys_serve_while_the_provider_is_away(self, openid: OpenIdProvider) -> None:
        assert status_of(openid.token("carol")) == 200
        openid.stop()
        assert status_of(openid.token("olga", groups=[SCIENTISTS, OWNERS])) == 200

    def test_they_serve_when_they_are_older_too(
        self, openid: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert status_of(openid.token()) == 200
        openid.configure(is_out=True)
        monkeypatch.setattr(provider, "FRESH_SECONDS", 0.0)
        assert status_of(openid.token("olga")) == 200

    def test_but_not_for_ever(
        self, openid: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert status_of(openid.token()) == 200
        openid.configure(is_out=True)
        monkeypatch.setattr(provider, "FRESH_SECONDS", 0.0)
        monkeypatch.setattr(provider, "KEPT_SECONDS", 0.0)
        assert status_of(openid.token("olga")) == 503

    def test_an_outage_is_no_bad_token(self, openid: OpenIdProvider) -> None:
        openid.stop()
        answer = Client().get("/services", headers={"Authorization": f"Bearer {openid.token()}"})
        assert answer.status_code == 503
        assert answer["Retry-After"]
        with pytest.raises(DirectoryUnavailable):
            caller_of(openid.token())
        assert not User.objects.exists()

    def test_a_new_key_in_an_outage_is_no_bad_token_either(self, openid: OpenIdProvider) -> None:
        assert status_of(openid.token()) == 200
        openid.configure(is_out=True)
        assert status_of(SigningKey().sign(openid.claims())) == 503
        openid.configure(is_out=False)
        assert status_of(SigningKey().sign(openid.claims())) == 401

    def test_another_authority_s_certificate_is_not_trusted(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.tenant(ca=None)
        assert status_of(openid.token()) == 503


class TestGroupsOfTheDirectory:
    """What the directory is asked with the web application's key."""

    def test_too_many_groups_for_a_token_are_asked_for(self, openid: OpenIdProvider) -> None:
        caller = caller_of(openid.token("many"))
        assert caller.role == Role.OWNER
        assert caller.groups == {SCIENTISTS, OWNERS, *TWINS}

    def test_older_tokens_say_so_otherwise(self, openid: OpenIdProvider) -> None:
        token = openid.token("many", _claim_names=None, hasgroups="true")
        assert caller_of(token).role == Role.OWNER

    def test_they_are_asked_for_once(self, openid: OpenIdProvider) -> None:
        token = openid.token("many")
        path = f"/graph/v1.0/users/{openid.claims('many')['oid']}/getMemberObjects"
        before = openid.calls(path)
        assert [status_of(token) for _ in range(3)] == [200] * 3
        assert openid.calls(path) - before == 2  # pages

    def test_without_the_key_the_user_is_in_no_group(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.tenant(key="")
        assert caller_of(openid.token("many")).role is None

    def test_an_outage_of_the_directory_is_no_missing_role(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        assert status_of(openid.token()) == 200
        openid.configure(is_out=True)
        assert status_of(openid.token("many")) == 503
        assert User.objects.count() == 1

    def test_a_wrong_key_says_nothing_about_the_user(
        self, openid: OpenIdProvider, settings: Settings
    ) -> None:
        settings.ENTRA = openid.tenant(key="wrong")
        assert status_of(openid.token("many")) == 503

    def test_declared_groups_may_be_names(self, openid: OpenIdProvider, settings: Settings) -> None:
        settings.ROLE_GROUPS = {
            "Owner": ["owners of MLOPS"],
            "Contributor": ["Data Scientists"],
            "Reader": ["O'Hara's"],
        }
        assert caller_of(openid.token("olga")).role == Role.OWNER
        assert caller_of(openid.token("carol")).role == Role.CONTRIBUTOR
        assert caller_of(openid.token("dave")).role is None

    def test_a_name_that_two_groups_have_gives_no_role(
        self, openid: OpenIdProvider, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.ROLE_GROUPS = {"Owner": ["Twins"], "Contributor": [], "Reader": [SCIENTISTS]}
        assert caller_of(openid.token("many")).role == Role.READER
        assert "2 groups named 'Twins'" in caplog.text
