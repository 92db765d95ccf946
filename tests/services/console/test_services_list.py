"""The list of services."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mlops.accounts.models import User
from mlops.usage.minutes import HOUR, MINUTE, minute_of
from services.actions.configure_pool import configure_pool
from services.models import Service, Usage, Version
from services.usage import scopes
from tests.conftest import READERS
from tests.mlops.console.browser import signed_in

LIST = "/console/services/service/"


def create_version(service: str = "churn", **fields: object) -> Version:
    values: dict[str, object] = {
        "version": "1.0",
        "published_by": "alice",
        "runtime_type": "Python",
        "code": "secret_recipe = 42",
        "description": "Who will leave",
        "bundle_id": "0" * 64,
    }
    row, _ = Service.objects.get_or_create(name=service)
    return Version.objects.create(service=row, **(values | fields))


def close(service: str, group: str = READERS) -> None:
    grants = [{"right": "consume", "kind": "group", "name": group}]
    Service.objects.filter(name=service).update(grants=grants)


def record_calls(name: str, version: str = "1.0", *, calls: int, failures: int) -> None:
    now = timezone.now()
    for of in (scopes.of_service(name), scopes.of_version(name, version)):
        for resolution in (MINUTE, HOUR):
            Usage.objects.create(
                of=of,
                resolution=resolution,
                minute=minute_of(now, resolution),
                calls=calls,
                failures=failures,
            )


def text_of(browser: Client, address: str = LIST) -> str:
    response = browser.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def names_in(browser: Client, query: str = "") -> set[str]:
    lines = browser.get(f"{LIST}csv/{query}").getvalue().decode().splitlines()
    return {line.split(",")[0] for line in lines[1:]}


def test_each_service_is_a_line_with_its_latest_version(rita: User) -> None:
    create_version(version="1.0")
    create_version(version="2.0", runtime_type="R")
    text = text_of(signed_in("rita"))
    for shown in ("churn", "2.0", "alice", "<time datetime=", "/console/service/churn/"):
        assert shown in text
    assert ">1.0<" not in text


def test_hostile_text_stays_text(rita: User) -> None:
    create_version("<script>alert(1)<script>", published_by="<script>alert(2)")
    assert "<script>alert" not in text_of(signed_in("rita"))


@pytest.mark.parametrize("word", ["chu", "1.0", "alice", "leave", "leave chu"])
def test_search_finds_name_version_publisher_and_description(rita: User, word: str) -> None:
    create_version()
    create_version("other", version="2", published_by="bob", description="Else")
    assert names_in(signed_in("rita"), f"?q={word}") == {"churn"}


def test_search_does_not_look_into_code(rita: User) -> None:
    create_version()
    assert "Nothing matches" in text_of(signed_in("rita"), f"{LIST}?q=secret_recipe")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?type=R", {"r"}),
        ("?publisher=bob", {"bobs"}),
        ("?which=mine", {"bobs"}),
        ("?which=closed", {"closed"}),
        ("?which=errors", {"failing"}),
        ("?which=pool", {"pooled"}),
        ("?type=R&publisher=bob", set()),
    ],
)
def test_filters_are_in_the_address(alice: User, bob: User, query: str, names: set[str]) -> None:
    create_version("r", runtime_type="R")
    create_version("bobs", published_by="bob")
    create_version("closed", published_by="alice")
    close("closed", group="bobs-friends")
    Service.objects.filter(name="closed").update(
        grants=[{"right": "consume", "kind": "user", "name": "bob"}]
    )
    create_version("failing")
    record_calls("failing", calls=4, failures=1)
    create_version("pooled")
    configure_pool(user=alice, name="pooled", version="1.0", initial_size=0, max_size=1)
    assert names_in(signed_in("bob"), query) == names


@pytest.mark.parametrize(
    "lookup",
    ["grants", "name__startswith", "versions__code__startswith", "versions__payload__digest"],
)
def test_the_address_cannot_probe_what_the_list_does_not_offer(admin: User, lookup: str) -> None:
    create_version()
    assert signed_in("admin").get(LIST, {lookup: "secret"}).status_code == 400


def test_traffic_and_errors_are_those_of_the_last_day(rita: User) -> None:
    create_version()
    record_calls("churn", calls=40, failures=10)
    text = text_of(signed_in("rita"))
    assert "40 calls in the last 24 hours" in text
    assert "25" in text
    assert "10 of 40 calls failed" in text


@pytest.mark.parametrize("n_versions", [1, 3])
def test_the_list_takes_the_same_queries_for_one_and_for_many(
    admin: User, django_assert_num_queries: DjangoAssertNumQueries, n_versions: int
) -> None:
    browser = signed_in("admin")
    create_version()
    with CaptureQueriesContext(connection) as for_one:
        browser.get(LIST)
    for number in range(10):
        for version in range(n_versions):
            create_version(f"service-{number}", version=str(version))
    with django_assert_num_queries(len(for_one)):
        browser.get(LIST)


@pytest.mark.parametrize("order", ["1", "-2", "3", "-4", "5", "-6"])
def test_every_column_sorts(rita: User, order: str) -> None:
    create_version("a", version="1", runtime_type="Python", published_by="alice")
    create_version("b", version="2", runtime_type="R", published_by="bob")
    create_version("b", version="3", runtime_type="R", published_by="bob")
    day_ago = timezone.now() - timedelta(days=1)
    Version.objects.filter(service__name="a").update(updated_at=day_ago)
    lines = signed_in("rita").get(f"{LIST}csv/?o={order}").getvalue().decode().splitlines()[1:]
    first = lines[0].split(",")[0]
    assert first == ("b" if order.startswith("-") else "a")


def test_an_empty_list_says_what_to_do(rita: User) -> None:
    assert "manage.py publish" in text_of(signed_in("rita"))


def test_a_service_that_is_not_granted_is_not_there(alice: User, bob: User, rita: User) -> None:
    create_version()
    close("churn", group=READERS.upper())
    assert names_in(signed_in("bob")) == set()
    assert names_in(signed_in("rita")) == names_in(signed_in("alice")) == {"churn"}
    assert "open to group" in text_of(signed_in("rita"))


def test_a_version_of_ones_own_is_all_that_is_seen_of_a_closed_service(
    bob: User, alice: User
) -> None:
    create_version(version="bobs", published_by="bob")
    create_version(version="other", description="Hidden words")
    close("churn")
    browser = signed_in("bob")
    assert "bobs" in text_of(browser)
    assert ">other<" not in text_of(browser)
    assert names_in(browser, "?q=Hidden") == set()


def test_a_service_that_waits_for_a_version_is_for_its_managers(
    alice: User, bob: User, rita: User, admin: User
) -> None:
    grants = [{"right": "manage", "kind": "user", "name": "alice"}]
    Service.objects.create(name="waiting", grants=grants)
    assert names_in(signed_in("alice")) == names_in(signed_in("admin")) == {"waiting"}
    assert names_in(signed_in("bob")) == names_in(signed_in("rita")) == set()
    assert "none yet" in text_of(signed_in("alice"))


def test_readers_are_offered_no_action(rita: User, alice: User) -> None:
    create_version()
    assert "delete_chosen" not in text_of(signed_in("rita"))
    assert "delete_chosen" in text_of(signed_in("alice"))
