"""What the command palette finds, for whom."""

from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mlops.accounts.models import User
from mlops.console import commands
from nodes.models import NodeHealth
from services.models import Service, Version
from tests.conftest import READERS
from tests.mlops.console.browser import signed_in
from tests.services.create import create_batch, create_version


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pages that other tests are about."""

    def address_of(route: str, *arguments: object) -> str:
        return "/".join(["/console", route, *map(str, arguments)])

    for module in ("services.console.commands", "nodes.console.commands", "mlops.console.commands"):
        monkeypatch.setattr(f"{module}.address_of", address_of)


def found(browser: Client, text: str) -> dict[str, list[str]]:
    """The titles of what is found, by kind."""
    kinds = browser.get("/console/search/", {"s": text}).json()["kinds"]
    return {each["kind"]: [one["title"] for one in each["results"]] for each in kinds}


def test_without_a_text_there_are_the_pages_of_the_role(rita: User, admin: User) -> None:
    pages = found(signed_in("rita"), "")["Pages"]
    assert {"Services", "Compute nodes", "My account"} <= set(pages)
    assert not {"People", "Audit trail"} & set(pages)
    assert {"People", "Audit trail"} <= set(found(signed_in("admin"), "")["Pages"])


@pytest.mark.parametrize(
    ("name", "text", "jobs"),
    [
        ("rita", "publish", []),
        ("alice", "publish", ["Publish a service"]),
        ("alice", "new model", ["Publish a service"]),
        ("alice", "drain", ["Drain a node"]),
        ("rita", "drain", []),
        ("rita", "batch start", ["Start a batch"]),
        ("alice", "trace", []),
        ("admin", "trace slow", ["Trace a service"]),
        ("rita", "dark", ["Dark theme"]),
        ("rita", "log out", ["Sign out"]),
        ("alice", "local account", []),
        ("admin", "local account", ["Make a local account"]),
    ],
)
def test_jobs_are_found_by_who_may_do_them(
    rita: User, alice: User, admin: User, name: str, text: str, jobs: list[str]
) -> None:
    assert found(signed_in(name), text).get("Do", []) == jobs


def test_services_are_found_by_a_part_of_their_name(alice: User, rita: User) -> None:
    for name in ("price-of-churn", "churn", "iris"):
        for version in ("v1", "v2"):
            create_version(alice, name=name, version=version)
    browser = signed_in("rita")
    assert found(browser, "CHURN")["Services"] == ["churn", "price-of-churn"]
    assert "Services" not in found(browser, "nothing-like-it")


def test_a_service_that_one_may_not_call_is_not_found(alice: User, bob: User, rita: User) -> None:
    create_version(alice)
    Service.objects.update(grants=[{"right": "consume", "kind": "group", "name": READERS}])
    assert found(signed_in("rita"), "churn")["Services"] == ["churn"]
    assert "Services" not in found(signed_in("bob"), "churn")


def test_what_is_found_for_one_is_never_shown_to_another(
    alice: User, rita: User, admin: User
) -> None:
    """Neither in the same browser, one after the other, nor after a role has changed."""
    assert found(signed_in("admin"), "alice")["People"] == ["alice"]
    assert "People" not in found(signed_in("rita"), "alice")
    browser = signed_in("admin")
    found(browser, "alice")
    User.objects.filter(username="admin").update(is_superuser=False)
    admin.groups.set(rita.groups.all())
    assert "People" not in found(browser, "alice")


@pytest.mark.parametrize("name", ["admin", "rita"])
def test_everything_that_is_found_is_there(
    rita: User, admin: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the addresses
    create_version(admin)
    NodeHealth.objects.create(address="http://churn-node:12805/", last_probe_at=timezone.now())
    browser = signed_in(name)
    for text in ("", "churn", "admin"):
        for kind in browser.get("/console/search/", {"s": text}).json()["kinds"]:
            for one in kind["results"]:
                assert one["does"] or browser.get(one["link"], follow=True).status_code == 200, one


def test_nodes_are_found_by_address(rita: User) -> None:
    for host in ("10.0.0.1", "10.0.0.2", "node-a"):
        NodeHealth.objects.create(address=f"http://{host}:12805/", last_probe_at=timezone.now())
    assert found(signed_in("rita"), "node-a")["Compute nodes"] == ["http://node-a:12805/"]
    assert len(found(signed_in("rita"), "10.0.0")["Compute nodes"]) == 2


def test_a_batch_is_found_by_the_beginning_of_its_id_by_its_owner(
    alice: User, bob: User, admin: User
) -> None:
    create_version(alice)
    batch = str(create_batch(alice).pk)
    for text in (batch, batch[:8], batch[:11], batch.upper()):
        assert found(signed_in("alice"), text)["Batches"] == [batch]
        assert found(signed_in("admin"), text)["Batches"] == [batch]
        assert "Batches" not in found(signed_in("bob"), text)
    assert "Batches" not in found(signed_in("alice"), str(uuid4()))


@pytest.mark.parametrize("text", ["a\0b", "%", "_", "\\", "'\"<b>", "é" * 500, "-" * 36, "ffff-"])
def test_any_text_is_a_question(alice: User, text: str) -> None:
    create_version(alice)
    assert "Services" not in found(signed_in("alice"), text)


def test_much_is_found_with_few_queries_and_bounded(
    rita: User, admin: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(20):
        create_version(admin, name=f"many-{n}")
    Version.objects.filter(service__name="many-7").update(description="x")
    for name in ("admin", "rita"):
        browser = signed_in(name)
        with django_assert_max_num_queries(12):
            results = found(browser, "many")
        assert len(results["Services"]) == commands.MAX_OF_ONE
