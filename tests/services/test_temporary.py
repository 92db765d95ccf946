"""Services made for a test: seen by nobody else, and gone afterwards."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mlops.accounts.models import User
from mlops.accounts.token_cache import Caller
from mlops.errors import Forbidden
from services.leftovers import PREFIX, sweep
from services.models import Service, Version
from services.permissions import consumable
from services.temporary import temporary_service
from tests.services.create import create_version

pytestmark = pytest.mark.django_db


def test_nobody_but_owners_sees_it(admin: User, alice: User) -> None:
    with temporary_service(user=admin) as published:
        assert consumable(Version.objects.all(), Caller.of(admin)).count() == 1
        assert not consumable(Version.objects.all(), Caller.of(alice)).exists()
        assert published.name.startswith(PREFIX)
    assert not Service.objects.exists()


def test_it_goes_when_the_test_fails(admin: User) -> None:
    with pytest.raises(ZeroDivisionError), temporary_service(user=admin):
        raise ZeroDivisionError
    assert not Service.objects.exists()


def test_only_owners_make_one(alice: User) -> None:
    with pytest.raises(Forbidden), temporary_service(user=alice):
        pass
    assert not Service.objects.exists()


def test_what_a_killed_test_left_behind_is_swept_and_nothing_else(admin: User) -> None:
    create_version(admin, name="churn")
    create_version(admin, name=f"{PREFIX}{'0' * 32}")
    create_version(admin, name=f"{PREFIX}of-somebody")
    assert sweep(timezone.now()) == 0
    assert sweep(timezone.now() + timedelta(days=1)) == 1
    assert set(Service.objects.values_list("name", flat=True)) == {
        "churn",
        f"{PREFIX}of-somebody",
    }
