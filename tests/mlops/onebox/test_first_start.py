"""The account that the first start makes."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password

from mlops.accounts.models import User
from mlops.errors import InvalidRequest
from mlops.onebox import first_start


@pytest.mark.django_db
def test_the_administrator_signs_in_with_the_generated_password() -> None:
    password = first_start.create_administrator("")
    user = authenticate(username="admin", password=password)
    assert isinstance(user, User)
    assert user.is_superuser


@pytest.mark.django_db
def test_the_administrator_signs_in_with_the_given_password() -> None:
    assert first_start.create_administrator("Given-by-hand-1") == "Given-by-hand-1"
    assert authenticate(username="admin", password="Given-by-hand-1")


@pytest.mark.django_db
def test_a_weak_password_is_refused_and_nobody_created() -> None:
    with pytest.raises(InvalidRequest, match="upper-case"):
        first_start.create_administrator("password")
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_later_start_changes_nobody(alice: User) -> None:
    assert first_start.create_administrator("Given-by-hand-1") is None
    assert list(User.objects.all()) == [alice]


def test_generated_passwords_meet_the_rule_and_differ() -> None:
    passwords = {first_start.generate_password() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        validate_password(password, User(username="admin"))
