import io
import json

import pytest
from django.core.management import CommandError, call_command

from mlops.accounts.models import User
from services.models import Service
from tests.services.create import create_version


def grants(*arguments: str) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("grants", *arguments, stdout=printed)
    return printed.getvalue()


def test_they_are_set_shown_and_cleared(admin: User, alice: User) -> None:
    create_version(alice)
    assert "has no grants" in grants("show", "churn")
    set_ = grants("set", "churn", "--consume-group=Team", "--manage-user=bob", "--manage-user=al")
    assert set_.splitlines() == ["consume group Team", "manage  user  al", "manage  user  bob"]
    assert grants("show", "churn") == set_
    assert json.loads(grants("show", "churn", "--json")) == Service.objects.get().grants
    assert "has no grants" in grants("clear", "churn")
    assert Service.objects.get().grants == []


def test_it_works_on_behalf_of_a_user(alice: User, bob: User) -> None:
    create_version(alice)
    with pytest.raises(CommandError, match="Only a manager of churn"):
        grants("set", "churn", "--consume-user=bob", "--user=bob")
    assert Service.objects.get().grants == []
    grants("set", "churn", "--consume-user=bob", "--user=alice")
    assert len(Service.objects.get().grants) == 1


def test_set_wants_grants(admin: User, alice: User) -> None:
    create_version(alice)
    with pytest.raises(CommandError) as caught:
        grants("set", "churn")
    assert caught.value.returncode == 2
