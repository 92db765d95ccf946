"""Another key for access tokens, while tokens of the former one are about."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from mlops.accounts import bearers, keys, tokens
from mlops.accounts.key_rotation import disagreement, prepare_next_key, rotate_key
from mlops.accounts.models import AuditEntry, TokenFamily, User
from mlops.accounts.serving import operator
from mlops.errors import Conflict, NotSignedIn
from nodes import status


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, settings: Settings) -> Path:
    settings.TOKEN_SIGNING_KEY_FILE = tmp_path / "one" / "key.pem"
    return settings.TOKEN_SIGNING_KEY_FILE


def counts(token: str) -> bool:
    try:
        bearers.credentials_of(token)
    except NotSignedIn:
        return False
    return True


def an_hour_later() -> None:
    then = time.time() - 3600 - keys.LEEWAY_SECONDS
    os.utime(keys.former_file(), (then, then))


@contextmanager
def on_the_other_machine(settings: Settings) -> Iterator[Path]:
    """A web node with files of its own."""
    here: Path = settings.TOKEN_SIGNING_KEY_FILE
    there = here.parent.parent / "two" / here.name
    settings.TOKEN_SIGNING_KEY_FILE = there
    yield there
    settings.TOKEN_SIGNING_KEY_FILE = here


def test_a_token_names_its_key(alice: User) -> None:
    token = tokens.issue(alice).access_token
    assert jwt.get_unverified_header(token)["kid"] == keys.signing_key().id
    assert TokenFamily.objects.get().key_id == keys.signing_key().id


def test_tokens_of_both_keys_count_after_a_rotation(alice: User) -> None:
    old = tokens.issue(alice).access_token
    before = keys.signing_key().id
    assert rotate_key() == keys.signing_key().id != before
    new = tokens.issue(alice).access_token
    assert jwt.get_unverified_header(new)["kid"] == keys.signing_key().id
    assert counts(old)
    assert counts(new)


def test_the_former_key_counts_until_the_last_of_its_tokens_has_expired(alice: User) -> None:
    old = tokens.issue(alice).access_token
    rotate_key()
    then = time.time() - 3600
    os.utime(keys.former_file(), (then, then))
    assert counts(old)
    an_hour_later()
    assert not counts(old)


def test_a_renewal_goes_over_to_the_new_key(alice: User) -> None:
    pair = tokens.issue(alice)
    rotate_key()
    an_hour_later()
    renewed = tokens.renew(pair.refresh_token)
    assert counts(renewed.access_token)
    assert TokenFamily.objects.get().key_id == keys.signing_key().id


def test_the_files_are_for_their_owner_only(key_file: Path, db: None) -> None:
    prepare_next_key()
    rotate_key()
    prepare_next_key()
    for path in (key_file, keys.next_file(), keys.former_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_rotation_within_the_hour_is_refused(key_file: Path, db: None) -> None:
    rotate_key()
    before = {path.name: path.read_bytes() for path in key_file.parent.iterdir()}
    with pytest.raises(Conflict, match="Wait 61 minutes"):
        rotate_key()
    assert {path.name: path.read_bytes() for path in key_file.parent.iterdir()} == before
    an_hour_later()
    rotate_key()


def test_a_second_next_key_is_refused(db: None) -> None:
    prepare_next_key()
    before = keys.next_file().read_bytes()
    with pytest.raises(Conflict):
        prepare_next_key()
    assert keys.next_file().read_bytes() == before


def test_with_files_of_their_own_two_nodes_understand_each_other_at_each_step(
    alice: User, key_file: Path, settings: Settings
) -> None:
    keys.signing_key()
    shutil.copytree(key_file.parent, key_file.parent.parent / "two")

    def both_count_on_both() -> None:
        here = tokens.issue(alice).access_token
        with on_the_other_machine(settings):
            there = tokens.issue(alice).access_token
            assert counts(here)
            assert counts(there)
        assert counts(here)
        assert counts(there)

    both_count_on_both()
    next_id = prepare_next_key()
    with on_the_other_machine(settings) as there:
        shutil.copy(key_file.with_name("key.pem.next"), there.parent)
    both_count_on_both()
    assert rotate_key() == next_id
    both_count_on_both()
    with on_the_other_machine(settings):
        assert rotate_key() == next_id
    both_count_on_both()
    assert disagreement() == ""


def test_a_compromised_key_ends_all_its_logins(alice: User) -> None:
    prepare_next_key()
    rotate_key()
    prepared = prepare_next_key()
    pair = tokens.issue(alice)
    new = rotate_key(is_compromised=True)
    assert new != prepared
    assert [key.id for key in keys.accepted_keys()] == [new]
    assert not counts(pair.access_token)
    with pytest.raises(NotSignedIn):
        tokens.renew(pair.refresh_token)
    assert counts(tokens.issue(alice).access_token)


def test_it_is_entered_into_the_audit_trail(db: None) -> None:
    key_id = prepare_next_key()
    rotate_key()
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "object", "username")) == [
        ("prepare token key", key_id, operator()),
        ("rotate token key", key_id, operator()),
    ]


def test_a_web_node_with_another_key_is_noticed(alice: User, settings: Settings) -> None:
    tokens.issue(alice)
    with on_the_other_machine(settings):
        other = keys.signing_key().id
        tokens.issue(alice)
    assert f"key {other}, which is unknown here" in disagreement()
    shown = status.report().components["authentication"]  # type: ignore[index]
    assert shown.code == "warn"
    assert "MLOPS_TOKEN_SIGNING_KEY_FILE" in shown.details["reason"]


def test_a_key_of_long_ago_is_no_disagreement(alice: User) -> None:
    tokens.issue(alice)
    TokenFamily.objects.update(key_id="0" * 16, signed_at=timezone.now() - timedelta(hours=1))
    assert disagreement() == ""


class TestCommand:
    """manage.py rotate_token_key."""

    def said(self, *words: str) -> str:
        out = StringIO()
        call_command("rotate_token_key", *words, stdout=out)
        return out.getvalue()

    def test_it_prepares_and_rotates(self, db: None) -> None:
        prepared = self.said("--next").split()[1]
        assert self.said() == f"Key {prepared} signs from now on.\n"
        assert keys.signing_key().id == prepared

    def test_it_replaces_a_compromised_key_at_any_time(self, db: None) -> None:
        self.said()
        assert "signs from now on" in self.said("--compromised")
        assert not keys.former_file().exists()

    def test_a_refusal_says_why(self, db: None) -> None:
        self.said()
        with pytest.raises(CommandError, match="The key was replaced lately"):
            self.said()
