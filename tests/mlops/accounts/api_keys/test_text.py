"""What an API key looks like."""

import re

import pytest

from mlops.accounts.api_keys import text


def test_a_key_is_known_by_its_looks_and_names_its_id() -> None:
    key = text.new_key()
    assert re.fullmatch(r"mlops_[0-9a-f]{16}_[0-9a-f]{72}", key.text)
    assert text.id_of(key.text) == key.id


def test_no_two_keys_share_anything() -> None:
    keys = [text.new_key() for _ in range(100)]
    assert len({key.id for key in keys}) == len({key.text[23:87] for key in keys}) == 100


def test_a_mistyped_key_is_seen_without_asking_anybody() -> None:
    key = text.new_key().text
    for place in range(len(text.PREFIX), len(key)):
        other = "0" if key[place] != "0" else "1"
        assert text.id_of(key[:place] + other + key[place + 1 :]) is None


@pytest.mark.parametrize("change", ["{}0", "{}\n", " {}", "x{}", "mlops_{}"])
def test_a_key_with_something_around_it_is_none(change: str) -> None:
    assert text.id_of(change.format(text.new_key().text)) is None


@pytest.mark.parametrize("other", ["", "mlops_", "mlops_x_y", "\ud800", "mlops_" + "a" * 10_000])
def test_other_texts_are_none(other: str) -> None:
    assert text.id_of(other) is None
    assert len(text.digest(other)) == 64


def test_the_digest_does_not_tell_the_key() -> None:
    key = text.new_key()
    assert key.text[-16:] not in text.digest(key.text)
    assert text.digest(key.text) == text.digest(key.text) != text.digest(text.new_key().text)
