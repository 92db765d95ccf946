"""Which version comes next, and what is said of a name while it is typed."""

import pytest

from mlops.accounts.models import User
from services.actions.set_grants import set_grants
from services.drafts.naming import availability, next_version
from services.grants import MANAGE, USER, Grant
from tests.services.create import create_version


@pytest.mark.parametrize(
    ("taken", "suggested"),
    [
        ([], "1.0"),
        (["1.0"], "1.1"),
        (["1.9", "1.0"], "1.10"),
        (["1.0.9"], "1.0.10"),
        (["v2"], "v3"),
        (["v1", "v2"], "v3"),
        (["2.0-beta"], "2.1-beta"),
        (["007"], "008"),
        (["latest"], "1.0"),
        (["latest", "1.0"], "1.1"),
        (["0f8fad5b-d9cb-469f-a165-70867728950e"], "1.0"),
        (["20261122093015"], "20261122093015-1"),
    ],
)
def test_the_next_version_counts_on_from_the_newest(taken: list[str], suggested: str) -> None:
    assert next_version(taken) == suggested


def test_a_new_name_is_free(alice: User) -> None:
    said = availability(user=alice, name="churn", version="")
    assert (said.versions, said.suggestion, said.problem) == ([], "1.0", "")


def test_a_version_that_is_there_is_said_with_the_next_one(alice: User) -> None:
    create_version(alice, version="1.0")
    create_version(alice, version="1.1")
    said = availability(user=alice, name="churn", version="1.1")
    assert (said.versions, said.suggestion, said.field) == (["1.0", "1.1"], "1.2", "version")
    assert said.problem == "churn has a version 1.1 already."


def test_what_cannot_be_a_name_is_said(alice: User) -> None:
    assert availability(user=alice, name="a/b", version="").field == "name"
    assert availability(user=alice, name="churn", version="a/b").field == "version"


def test_a_name_that_is_kept_for_others_is_said(alice: User, bob: User) -> None:
    create_version(alice)
    set_grants(user=alice, name="churn", grants=[Grant(MANAGE, USER, "alice")])
    said = availability(user=bob, name="churn", version="2")
    assert said.field == "name"
    assert "ask them for a grant" in said.problem
