"""Every route of the REST API asked by everybody, for what is theirs and for what is another's."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project_settings
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts.roles import Role
from services.models import Version
from tests.conftest import CONTRIBUTORS, PASSWORD, create_user
from tests.contract.asking import OF_BATCHES, OF_KEYS, OF_SESSIONS, OF_SNAPSHOTS
from tests.contract.operations import (
    ANYBODY,
    CONTRIBUTOR,
    ERROR,
    MANAGER,
    OPERATIONS,
    OWNER,
    PUBLISHER,
    READER,
    Operation,
)
from tests.contract.routes import BESIDE
from tests.contract.stage import ANONYMOUS, CAST, OWNERS, ROBOT, Stage, client_of, set_stage, undone
from tests.contract.things import everything

ROLES = {READER: Role.READER, CONTRIBUTOR: Role.CONTRIBUTOR, OWNER: Role.OWNER}
_NOT_BY_KEY = {"createApiKey", "revokeApiKey"}
# What succeeds only with more than a right: a model, or a node that scores.
_ALLOWED = {
    "publishRealtimeWebService": {400},
    "publishRealtimeWebServiceVersion": {400},
    "patchRealtimeWebServiceVersion": {400},
    "consumeWebService": {200, 503},
}


@pytest.fixture
def stage(db: None, settings: Settings) -> Iterator[Stage]:
    with set_stage(settings) as stage:
        yield stage


def expected(row: Operation, name: str, *, is_own: bool) -> int | None:
    """The status of the refusal; None where the call is allowed."""
    if row.role == ANYBODY:
        return None
    if name == ANONYMOUS:
        return 401
    role = CAST[name]
    if role is None:
        return 403
    if row.role in (PUBLISHER, MANAGER):
        is_allowed = role == Role.OWNER or (role == Role.CONTRIBUTOR and is_own)
        return None if is_allowed else 403
    if role < ROLES[row.role] or (name == ROBOT and row.operation_id in _NOT_BY_KEY):
        return 403
    is_hidden = row in (*OF_SESSIONS, *OF_SNAPSHOTS) or (
        row in (*OF_BATCHES, *OF_KEYS) and role < Role.OWNER
    )
    return 404 if is_hidden and not is_own else None


def fault(
    stage: Stage, client: APIClient, name: str, row: Operation, *, is_own: bool, before: Any
) -> str:
    """What is wrong with the answer, empty if nothing is; whatever it did is undone."""
    things = stage.things[name if is_own and name != ANONYMOUS else "alice"]
    refusal = expected(row, name, is_own=is_own)
    n_asked = len(stage.node.requests)
    with undone():
        response = stage.ask(client, row, things)
        changed = refusal is not None and everything() != before
    status = response.status_code
    whose = "own" if is_own else "another's"
    case = f"{name}, {row}, {whose}: {status}"
    if refusal is None:
        allowed = {row.success} | _ALLOWED.get(row.operation_id, set())
        if row.role == ANYBODY:
            allowed = row.statuses
        return "" if status in allowed else f"{case}, not allowed"
    if status != refusal or list(response.json()) != list(ERROR):
        return f"{case}, not refused with {refusal}"
    if status == 401 and response["WWW-Authenticate"] != "Bearer":
        return f"{case}, without a challenge"
    if changed or len(stage.node.requests) != n_asked:
        return f"{case}, but something was done"
    return ""


@pytest.mark.parametrize("name", [*CAST, ANONYMOUS])
def test_everybody_may_do_what_their_role_allows_and_nothing_else(stage: Stage, name: str) -> None:
    client = client_of(name)
    before = everything()
    faults = [
        fault(stage, client, name, row, is_own=is_own, before=before)
        for row in OPERATIONS
        for is_own in ((True, False) if "{" in row.path else (False,))
    ]
    assert [each for each in faults if each] == []
    assert everything() == before


@pytest.mark.parametrize("name", CAST)
def test_code_is_shown_to_who_may_change_it(stage: Stage, name: str) -> None:
    client, role = client_of(name), CAST[name]
    if role is None:
        return
    listed = {each["name"]: each for each in client.get("/services").json()}
    assert set(listed) == {each.service for each in stage.things.values()}
    for service in listed:
        is_own = service == stage.things[name].service
        may_write = role == Role.OWNER or (role == Role.CONTRIBUTOR and is_own)
        for shown in (
            listed[service],
            *client.get(f"/services/{service}").json(),
            *client.get(f"/services/{service}/v1").json(),
        ):
            assert (shown["code"] is not None) is may_write
            assert shown["myPermissionOnService"] == ("read/write" if may_write else "read only")


def test_who_has_no_role_is_given_a_token_that_opens_nothing(stage: Stage) -> None:
    client = APIClient()
    form = {"username": "mallory", "password": PASSWORD}
    pair = client.post("/login", form, format="json").json()
    renewed = client.post(
        "/login/refreshToken", {"refreshToken": pair["refresh_token"]}, format="json"
    )
    assert renewed.status_code == 200
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {renewed.json()['access_token']}")
    assert client.get("/services").status_code == 403
    query = f"?refreshToken={renewed.json()['refresh_token']}"
    assert client.delete(f"/login/refreshToken{query}").status_code == 200


def test_what_is_beside_the_api_is_for_all_but_the_metrics(stage: Stage) -> None:
    for name, role in {**CAST, ANONYMOUS: None}.items():
        client = client_of(name)
        for path in BESIDE - {"/metrics"}:
            assert client.get(path).status_code in (200, 302), path
        refusal = 401 if name == ANONYMOUS else 403
        status = client.get("/metrics").status_code
        assert status == (200 if role == Role.OWNER else refusal), name


@pytest.mark.parametrize(("name", "refusal"), [("mallory", 403), (ANONYMOUS, 401)])
def test_other_methods_tell_nothing_to_who_has_no_role(
    stage: Stage, name: str, refusal: int
) -> None:
    client, things = client_of(name), stage.things["alice"]
    paths = {things.address(row) for row in OPERATIONS if row.role != ANYBODY}
    for path in paths:
        for method in ("OPTIONS", "HEAD", "TRACE", "PATCH", "PUT"):
            status = client.generic(method, path, b"").status_code
            assert status == refusal, f"{method} {path}"


@pytest.mark.parametrize("has_owners", [False, True])
def test_contributors_change_the_nodes_only_where_no_group_has_owners(
    stage: Stage, settings: Settings, has_owners: bool
) -> None:
    groups = {**project_settings.ROLE_GROUPS, "Owner": [OWNERS] if has_owners else []}
    settings.ROLE_GROUPS = groups
    changes = [row for row in OPERATIONS if "/computenodes" in row.path and row.method != "GET"]
    assert len(changes) == 5
    for name, may in (("carol", not has_owners), ("rita", False), ("admin", True)):
        client = client_of(name)
        for row in changes:
            with undone():
                status = stage.ask(client, row, stage.things[name]).status_code
            assert status == (row.success if may else 403), f"{name}, {row}"


def test_grants_change_who_may_and_not_what_roles_may(stage: Stage) -> None:
    """A Reader named as manager may consume, and a Contributor so named may write."""
    service = Version.objects.get(service__name="of-alice").service
    service.grants = [
        {"right": "manage", "kind": "user", "name": "rita"},
        {"right": "manage", "kind": "group", "name": "CARPENTERS"},
        {"right": "consume", "kind": "user", "name": "mallory"},
    ]
    service.save()
    dora, theirs = create_user("dora", group=CONTRIBUTORS), stage.things["alice"]
    dora.groups.create(name="Carpenters")
    closed = [row for row in OPERATIONS if "{name}" in row.path and row.role == READER]
    writing = [row for row in OPERATIONS if "{name}" in row.path and row.role != READER]
    for name, may_consume, may_write in (
        ("alice", True, True),
        ("dora", True, True),
        ("olga", True, True),
        ("rita", True, False),
        ("carol", False, False),
        ("mallory", False, False),
    ):
        client = client_of(name)
        before = everything()
        for row in [*closed, *writing]:
            if row in OF_BATCHES or row.operation_id in (
                "getBatchExecutions",
                "getAllServicesByName",
            ):
                continue  # those are the starter's, and what is not granted is left out of lists
            is_allowed = may_consume if row in closed else may_write
            if name == "alice" and row.operation_id.startswith(
                ("publish", "getG", "setG", "clear")
            ):
                is_allowed = False  # she is the publisher of a version, but no longer a manager
            with undone():
                response = stage.ask(client, row, theirs)
                assert is_allowed or everything() == before
            assert (response.status_code != 403) is is_allowed, f"{name}, {row}"
