"""Roles explained in words."""

import re

import pytest
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.accounts.role_reasons import implicit_role_in_words, reason_of
from mlops.accounts.roles import Role
from tests.conftest import create_user


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("owner", "contributor", "reader", "words"),
    [
        ([], [], [], "Everybody who can sign in is a Contributor, because no groups are declared"),
        (["o"], [], [], "Everybody else who can sign in is a Contributor, .* Owner only"),
        (["o"], ["c"], [], "Everybody else who can sign in is a Reader, .* Contributor but none"),
        ([], [], ["r"], "Everybody else has no role and cannot come in, .* Reader"),
    ],
)
def test_the_implicit_role_is_explained(
    settings: Settings, owner: list[str], contributor: list[str], reader: list[str], words: str
) -> None:
    settings.ROLE_GROUPS = {"Owner": owner, "Contributor": contributor, "Reader": reader}
    assert re.match(words, implicit_role_in_words())


def test_each_role_has_its_reason(admin: User, settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": ["MLops-Owners"], "Contributor": ["Makers"], "Reader": []}
    of_groups = create_user("olga", group="mlops-owners")
    of_a_directory = User(
        username="d", sign_in_method="ldap", directory_groups=["makers", "MLOPS-OWNERS"]
    )
    robot = User(username="r", sign_in_method="service", assigned_role=Role.READER)
    reasons = {
        each.username: (reason_of(each).name, reason_of(each).why)
        for each in (admin, of_groups, of_a_directory, robot, create_user("x"))
    }
    assert reasons["admin"] == (
        "Owner",
        "the local administrator is an Owner whatever the groups are",
    )
    assert reasons["olga"] == ("Owner", "in group MLops-Owners")
    assert reasons["d"] == ("Owner", "in group MLops-Owners")
    assert reasons["r"] == ("Reader", "a service account has the role that it was made with")
    assert reasons["x"] == ("Reader", "implicit: in none of the declared groups")


def test_who_has_no_role_is_told_so(settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": [], "Contributor": [], "Reader": ["r"]}
    reason = reason_of(User(username="d", sign_in_method="entra"))
    assert (reason.name, reason.why) == ("No role", "in none of the groups that have a role")
