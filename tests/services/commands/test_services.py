import io
import json
from typing import Any

from django.core.management import call_command

from mlops.accounts.models import User
from tests.services.create import create_version


def services(*arguments: str) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("services", *arguments, stdout=printed)
    return printed.getvalue()


def test_it_prints_a_table_oldest_first(alice: User, bob: User) -> None:
    create_version(alice, name="churn", version="v10")
    create_version(bob, name="a", version="v1", runtime_type="R")
    heading, *lines = services().splitlines()
    assert heading.split() == ["NAME", "VERSION", "RUNTIME", "PUBLISHED", "BY", "CREATED", "(UTC)"]
    assert [line.split()[:4] for line in lines] == [
        ["churn", "v10", "Python", "alice"],
        ["a", "v1", "R", "bob"],
    ]
    assert len({line.index(by) for line, by in zip(lines, ["alice", "bob"], strict=True)}) == 1


def test_with_nothing_published_only_the_heading_is_printed(db: None) -> None:
    assert services().count("\n") == 1


def test_json_is_what_the_api_answers_to_an_owner(alice: User) -> None:
    create_version(alice, description="é")
    (service,) = json.loads(services("--json"))
    assert service["name"] == "churn"
    assert service["code"] == "answer = x + 1"
    assert service["description"] == "é"
    assert service["myPermissionOnService"] == "read/write"


def test_the_list_takes_one_query(alice: User, django_assert_num_queries: Any) -> None:
    for number in range(5):
        create_version(alice, version=f"v{number}")
    with django_assert_num_queries(1):
        services()
