"""The password rule."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from mlops.accounts.password_rule import SPECIAL_CHARACTERS


@pytest.mark.parametrize("special", SPECIAL_CHARACTERS)
def test_each_special_character_of_the_list_counts(special: str) -> None:
    validate_password(f"zQ7{special}mulPo")


@pytest.mark.parametrize("special", "*?'\"[]{}` é")
def test_others_are_allowed_but_do_not_count(special: str) -> None:
    validate_password(f"zQ7-{special}mulPo")
    with pytest.raises(ValidationError, match="needs one of"):
        validate_password(f"zQ7{special}mulPo")


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("zQ7-mul", "at least 8 characters"),
        ("zq7-mulpo", "an upper-case letter"),
        ("ZQ7-MULPO", "a lower-case letter"),
        ("zQx-mulPo", "a digit"),
        ("zQ71mulPo", "one of ~!@#"),
        ("", "at least 8 characters, an upper-case letter, a lower-case letter, a digit, one of"),
    ],
)
def test_what_is_missing_is_named(password: str, missing: str) -> None:
    with pytest.raises(ValidationError, match=f"needs {missing}"):
        validate_password(password)


def test_there_is_no_upper_bound_of_16_characters() -> None:
    validate_password("A-very-long-passphrase-of-4-words")
