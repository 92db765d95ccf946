"""/computenodes (wire-api section 7)."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes.models import NodeEntry
from nodes.registry import addresses
from tests.conftest import CONTRIBUTORS, READERS, create_user
from tests.services.api.exchange import body_of, error_of

ONE, TWO, RANGE = "http://10.0.0.1:12805/", "https://node-1.example.com/", "http://10.0.1.0-9:80/"
IDS = {"post": "replaceComputeNodes", "put": "addComputeNodes", "delete": "removeComputeNodes"}

WRONG: list[list[Any]] = [
    [TWO, "10.0.0.1"],
    [TWO, "http://10.0.0.300"],
    [TWO, f"{ONE}path"],
    ["http://user:pw@host"],
    [f"{ONE},{TWO}"],
    [""],
    [7],
    [None],
    ["http://a\0b"],
    ["http://10.0-255.0-255.0-255:80"],
]


@pytest.fixture
def owner(admin: User, client_for: Callable[[User], APIClient]) -> APIClient:
    return client_for(admin)


def change(client: APIClient, method: str, *entries: Any) -> Any:
    return getattr(client, method)("/computenodes", {"entries": entries}, format="json")


def done(client: APIClient, method: str, *entries: str) -> list[str]:
    """The list after a change that succeeds."""
    response = change(client, method, *entries)
    assert (response.status_code, response.content) == (200, b"")
    return listed(client)


def listed(client: APIClient) -> list[str]:
    found: list[str] = body_of(client.get("/computenodes"), 200, "getComputeNodes")["computeNodes"]
    return found


def test_the_list_is_empty_at_first(owner: APIClient) -> None:
    assert listed(owner) == []


def test_entries_are_added_as_written_but_in_their_normal_spelling(owner: APIClient) -> None:
    assert done(owner, "put", "HTTP://10.0.0.1:12805", RANGE) == [ONE, RANGE]
    assert done(owner, "put", ONE, " https://NODE-1.example.com ", ONE) == [ONE, RANGE, TWO]


def test_entries_are_removed_in_whatever_spelling(owner: APIClient) -> None:
    change(owner, "put", ONE, RANGE, TWO)
    assert done(owner, "delete", "HTTP://10.0.0.1:12805", "http://10.0.1.0-9:80") == [TWO]


def test_the_list_is_replaced_in_the_order_given(owner: APIClient) -> None:
    change(owner, "put", ONE, RANGE)
    assert done(owner, "post", TWO, ONE) == [TWO, ONE]
    assert done(owner, "post") == []


def test_replacing_keeps_in_mind_which_node_is_the_boxs_own(owner: APIClient) -> None:
    NodeEntry.objects.create(uri=ONE, is_local=True)
    done(owner, "post", TWO, ONE)
    assert NodeEntry.objects.get(is_local=True).uri == ONE


def test_entries_that_overlap_name_each_address_once(owner: APIClient) -> None:
    change(owner, "put", "http://10.0.1.3:80", ONE, RANGE)
    assert sorted(addresses()) == [ONE, "http://10.0.1.3:80/"]


def test_a_change_counts_with_the_next_call(owner: APIClient) -> None:
    change(owner, "put", ONE)
    assert addresses() == (ONE,)
    change(owner, "post", TWO)
    assert addresses() == (TWO,)
    change(owner, "delete", TWO)
    assert addresses() == ()


@pytest.mark.parametrize("method", IDS)
def test_a_wrong_entry_is_400_and_nothing_changes(owner: APIClient, method: str) -> None:
    change(owner, "put", ONE, TWO)
    for entries in WRONG:
        error = error_of(change(owner, method, *entries), 400, IDS[method])
        assert "entries" in error["fields"]
        assert listed(owner) == [ONE, TWO]


@pytest.mark.parametrize("method", IDS)
def test_a_body_without_a_list_is_400(owner: APIClient, method: str) -> None:
    change(owner, "put", ONE)
    for body in (b"", b"{}", b'{"entries":null}', b'{"entries":"x"}', b"[]", b"{"):
        response = owner.generic(method, "/computenodes", body, content_type="application/json")
        error_of(response, 400, IDS[method])
        assert listed(owner) == [ONE]


def test_names_of_members_match_in_any_case(owner: APIClient) -> None:
    response = owner.delete("/computenodes", {"ENTRIES": []}, format="json")
    assert response.status_code == 200


@pytest.mark.parametrize("unknown", [TWO, "http://10.0.1.0:80", "http://10.0.0.1"])
def test_removing_what_is_not_in_the_list_is_400_and_nothing_changes(
    owner: APIClient, unknown: str
) -> None:
    change(owner, "put", ONE, RANGE)
    error = error_of(change(owner, "delete", ONE, unknown), 400, IDS["delete"])
    assert unknown.rstrip("/") in error["message"]
    assert listed(owner) == [ONE, RANGE]


def test_the_whole_list_names_65536_addresses_at_most(owner: APIClient) -> None:
    widest = "http://10.0.0-255.0-254:80/"
    assert done(owner, "put", widest, "http://10.0.0-255.255:80") == [
        widest,
        "http://10.0.0-255.255:80/",
    ]
    for method in ("put", "post"):
        entries = [TWO] if method == "put" else [widest, RANGE, "http://10.0.0-255.255:80"]
        error = error_of(change(owner, method, *entries), 400, IDS[method])
        assert "65536" in error["message"]
        assert len(listed(owner)) == 2


# Who may; the table of the contract has the others.


def groups(settings: Settings, **declared: list[str]) -> None:
    settings.ROLE_GROUPS = {"Owner": [], "Contributor": [], "Reader": [], **declared}


@pytest.mark.parametrize("method", IDS)
def test_without_groups_of_owners_a_contributor_may_change_it(
    settings: Settings, client_for: Callable[[User], APIClient], alice: User, method: str
) -> None:
    groups(settings, Contributor=[CONTRIBUTORS], Reader=[READERS])
    NodeEntry.objects.create(uri=ONE)
    assert change(client_for(alice), method, ONE).status_code == 200


@pytest.mark.parametrize("method", IDS)
def test_with_groups_of_owners_only_they_may(
    settings: Settings, client_for: Callable[[User], APIClient], alice: User, method: str
) -> None:
    groups(settings, Owner=["operators"])
    NodeEntry.objects.create(uri=ONE)
    error_of(change(client_for(alice), method, TWO), 403, IDS[method])
    assert listed(client_for(alice)) == [ONE]
    owner = client_for(create_user("olga", group="operators"))
    assert change(owner, method, ONE).status_code == 200


def test_a_reader_may_look(client_for: Callable[[User], APIClient], rita: User) -> None:
    NodeEntry.objects.create(uri=ONE)
    assert listed(client_for(rita)) == [ONE]
