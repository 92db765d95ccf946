"""Grants over REST, and what they close and open there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from mlops.accounts.models import User
from services.actions.set_grants import set_grants
from services.grants import Grant
from services.models import Service, Version
from tests.conftest import create_user
from tests.mlops.console.browser import csrf_token, signed_in
from tests.services.create import create_batch, create_version

ClientFor = Callable[[User], APIClient]
PATH = "/grants/churn"
TEAM = {"right": "consume", "kind": "group", "name": "Team"}


@pytest.fixture
def version(alice: User) -> Version:
    return create_version(alice)


@pytest.fixture
def closed(version: Version, alice: User) -> Version:
    set_grants(user=alice, name="churn", grants=[Grant(**TEAM)])
    return version


def put(client: APIClient, *grants: Any, **more: Any) -> Any:
    return client.put(PATH, {"grants": grants, **more}, format="json")


def test_they_are_read_set_and_cleared(
    version: Version, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    empty = client.get(PATH).json()
    assert (empty["name"], empty["grants"]) == ("churn", [])
    answer = put(client, TEAM, revision=empty["revision"])
    assert answer.status_code == 200
    assert answer.json() == client.get(PATH).json()
    assert answer.json()["grants"] == [TEAM]
    assert client.delete(PATH).json() == empty


def test_a_list_that_was_changed_meanwhile_is_409(
    closed: Version, alice: User, client_for: ClientFor
) -> None:
    response = put(client_for(alice), revision="0")
    assert response.status_code == 409
    assert Service.objects.get().grants == [TEAM]


@pytest.mark.parametrize(
    "grant",
    [
        {"right": "own", "kind": "user", "name": "bob"},
        {"right": "consume", "kind": "user"},
        {"right": "consume", "kind": "user", "name": 1},
        "consume",
    ],
)
def test_what_is_no_grant_is_400(
    closed: Version, alice: User, client_for: ClientFor, grant: Any
) -> None:
    assert put(client_for(alice), TEAM, grant).status_code == 400
    assert Service.objects.get().grants == [TEAM]


def test_who_may_not_manage_the_service_may_not_see_them(
    closed: Version, bob: User, client_for: ClientFor
) -> None:
    response = client_for(bob).get(PATH)
    assert response.status_code == 403
    assert "Team" not in response.content.decode()


def test_a_page_of_another_site_cannot_set_them(closed: Version, alice: User) -> None:
    browser = signed_in("alice")  # without the token of a page of ours
    for method in ("PUT", "DELETE"):
        body = json.dumps({"grants": []})
        response = browser.generic(method, PATH, body, content_type="application/json")
        assert response.status_code == 403
    assert Service.objects.get().grants == [TEAM]


LOOKS = [
    "/services/churn/v1",
    "/services/churn/v1/pool",
    "/api/churn/v1/swagger.json",
]


@pytest.mark.parametrize("path", LOOKS)
def test_who_is_not_granted_gets_a_403_that_says_what_to_do(
    closed: Version, bob: User, client_for: ClientFor, path: str
) -> None:
    response = client_for(bob).get(path)
    assert response.status_code == 403
    assert "ask its publisher or an Owner for a grant" in response.json()["message"]


def test_who_is_not_granted_starts_no_batch_and_scores_from_no_browser(
    closed: Version, bob: User, client_for: ClientFor
) -> None:
    batch = client_for(bob).post("/api/churn/v1/batch", [{"x": 1}], format="json")
    assert batch.status_code == 403
    assert closed.batches.count() == 0
    browser = signed_in("bob")
    token = csrf_token(browser.get("/console/services/service/"))
    scored = browser.post(
        "/api/churn/v1", {"x": 1}, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert "for a grant" in scored.json()["message"]


def test_who_is_not_granted_finds_it_in_no_list(
    closed: Version, bob: User, client_for: ClientFor
) -> None:
    client = client_for(bob)
    assert client.get("/services").json() == []
    assert client.get("/services/churn").json() == []


def test_who_is_in_the_group_sees_and_reads_it(closed: Version, client_for: ClientFor) -> None:
    client = client_for(create_user("carol", group="TEAM"))
    assert len(client.get("/services").json()) == 1
    for path in LOOKS:
        assert client.get(path).status_code == 200
    batch = client.post("/api/churn/v1/batch", [{"x": 1}], format="json")
    assert batch.status_code == 202


def test_a_batch_that_was_started_before_stays_its_owners(
    version: Version, alice: User, bob: User, client_for: ClientFor
) -> None:
    batch = create_batch(bob)
    set_grants(user=alice, name="churn", grants=[Grant(**TEAM)])
    client = client_for(bob)
    assert client.get("/api/churn/v1/batch").json() == [str(batch.pk)]
    assert client.get(f"/api/churn/v1/batch/{batch.pk}").status_code == 200
    assert client.delete(f"/api/churn/v1/batch/{batch.pk}").status_code == 200


def test_a_manager_has_read_and_write(
    version: Version, alice: User, bob: User, client_for: ClientFor
) -> None:
    manage = [Grant("manage", "user", name) for name in ("alice", "bob")]
    set_grants(user=alice, name="churn", grants=manage)
    [service] = client_for(bob).get("/services/churn").json()
    assert service["myPermissionOnService"] == "read/write"
    assert service["code"] == "answer = x + 1"


def test_the_name_of_a_service_with_managers_is_theirs(
    version: Version, alice: User, bob: User, client_for: ClientFor
) -> None:
    set_grants(user=alice, name="churn", grants=[Grant("manage", "user", "alice")])
    body = {"code": "1", "runtimeType": "Python"}
    response = client_for(bob).post("/services/churn/v2", body, format="json")
    assert response.status_code == 403
    assert "publish under another name" in response.json()["message"]
    form = {"model": SimpleUploadedFile("model", b"blobONNX")}
    response = client_for(bob).post("/realtime-services/churn/v2", form)
    assert response.status_code == 403, response.content
    assert Version.objects.count() == 1
