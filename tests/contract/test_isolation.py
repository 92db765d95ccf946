"""What belongs to somebody else is as unknown as what was never there, for every operation.

The calls are the rows of the table that name a session, a snapshot or a batch, so that one that
comes later is asked as well.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import User
from nodes.models import Session
from tests.contract.asking import OF_BATCHES, OF_KEYS, OF_SESSIONS, OF_SNAPSHOTS, ask
from tests.contract.operations import JSON, Operation
from tests.contract.things import ANSWERS, EXECUTED, Things, everything, things_of
from tests.nodes.recorder import Recorder, recording
from tests.services.create import create_version

ClientFor = Callable[[User], APIClient]

ENDING = {"closeSession", "deleteSnapshot", "cancelAndDeleteBatchExecution"}


@pytest.fixture
def node(alice: User) -> Iterator[Recorder]:
    with recording(alice) as node:
        yield node


@pytest.fixture
def alices(alice: User, node: Recorder) -> Things:
    address = Session.objects.get().node
    Session.objects.all().delete()
    return things_of(alice, alice, address)


def said(response: Any) -> tuple[int, dict[str, str], bytes]:
    """All that a caller is told, but for the id of the very call."""
    headers = {name: value for name, value in response.items() if name != "CorrelationId"}
    return response.status_code, headers, response.content


def refuse_alike(client: APIClient, row: Operation, theirs: str, nobodys: str) -> None:
    """Fail unless both are the same 404."""
    there, nowhere = (said(ask(client, row, address)) for address in (theirs, nobodys))
    assert there == nowhere
    assert there[0] == 404, there


def test_the_table_has_all_calls_that_name_what_belongs_to_somebody() -> None:
    assert (len(OF_SESSIONS), len(OF_SNAPSHOTS), len(OF_BATCHES)) == (16, 2, 4)
    assert len(OF_KEYS) == 1


@pytest.mark.parametrize("who", ["bob", "admin"])
def test_what_belongs_to_somebody_else_is_refused_as_what_is_not_there(
    alices: Things, node: Recorder, bob: User, admin: User, client_for: ClientFor, who: str
) -> None:
    client, nobodys = client_for({"bob": bob, "admin": admin}[who]), alices.unknown()
    before = everything()
    # An Owner may see everybody's batches, but nobody else's sessions and snapshots.
    for row in [*OF_SESSIONS, *OF_SNAPSHOTS, *([*OF_BATCHES, *OF_KEYS] if who == "bob" else [])]:
        refuse_alike(client, row, alices.address(row), nobodys.address(row))
    assert everything() == before
    assert node.requests == []


def test_what_belongs_to_somebody_else_is_in_no_list(
    alices: Things, bob: User, admin: User, client_for: ClientFor
) -> None:
    for client, paths in (
        (client_for(bob), ["/sessions", "/snapshots", f"/api/{alices.service}/v1/batch"]),
        (client_for(admin), ["/sessions", "/snapshots"]),
    ):
        assert [client.get(path).json() for path in paths] == [[] for _ in paths]


def test_somebody_elses_snapshot_is_no_snapshot_for_own_sessions_and_versions(
    alices: Things, node: Recorder, bob: User, client_for: ClientFor
) -> None:
    client = client_for(bob)
    own = Session.objects.create(owner=bob, runtime="R", node=f"{Session.objects.get().node}")
    create_version(bob, name="bobs", runtime_type="R")
    [load] = [row for row in OF_SESSIONS if row.operation_id == "loadSnapshot"]
    before = everything()
    snapshots = alices.snapshot, str(uuid.uuid4())
    refuse_alike(client, load, *(f"/sessions/{own.pk}/loadsnapshot/{each}" for each in snapshots))
    for method, path, status in (
        ("POST", "/sessions", 404),
        ("POST", "/services/new", 400),
        ("POST", "/services/new/v1", 400),
        ("PATCH", "/services/bobs/v1", 400),
    ):
        there, nowhere = (
            said(
                client.generic(
                    method,
                    path,
                    json.dumps({"runtimeType": "R", "code": "1", "snapshotId": each}),
                    content_type=JSON,
                )
            )
            for each in snapshots
        )
        same = there[2].replace(snapshots[0].encode(), snapshots[1].encode())
        assert (*there[:2], same) == nowhere
        assert there[0] == status, there
    assert everything() == before
    assert node.requests == []


def test_the_same_calls_succeed_for_their_owner(
    alices: Things, node: Recorder, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    calls = [*OF_SESSIONS, *OF_SNAPSHOTS, *OF_BATCHES, *OF_KEYS]
    calls.sort(key=lambda row: row.operation_id in ENDING)
    for row in calls:
        if row.operation_id != "closeSessionForce":  # it is closed by then
            node.answer = EXECUTED if row.operation_id == "executeCode" else ANSWERS
            assert ask(client, row, alices.address(row)).status_code == row.success, str(row)
