"""What the audit trail has of every operation: each change of the table, done and refused."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework.test import APIClient

from mlops.accounts import tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.models import ApiKey, AuditEntry, TokenFamily, User
from nodes.models import NodeDrain, NodeEntry, Session, Snapshot
from services.models import Batch
from tests.conftest import PASSWORD, create_user
from tests.contract.asking import address
from tests.contract.operations import ANYBODY, FORM, OPERATIONS, OWNER, PUBLISHER, Operation
from tests.nodes.recorder import recording
from tests.nodes.runtime.realtime.models import adding, contained
from tests.services.create import (
    create_batch,
    create_realtime,
    create_snapshot,
    create_version,
    published,
)

ClientFor = Callable[[User], APIClient]

# The action of every operation that changes something.
ACTIONS = {
    "login": "sign in",
    "revokeRefreshToken": "sign out",
    "revokeRefreshTokenByPath": "sign out",
    "publishWebService": "publish version",
    "publishWebServiceVersion": "publish version",
    "patchWebServiceVersion": "change version",
    "deleteWebServiceVersion": "delete version",
    "publishRealtimeWebService": "publish version",
    "publishRealtimeWebServiceVersion": "publish version",
    "patchRealtimeWebServiceVersion": "change version",
    "createOrUpdateServicePool": "configure pool",
    "deleteServicePool": "delete pool",
    "setGrants": "set grants",
    "clearGrants": "set grants",
    "startBatchExecution": "start batch",
    "cancelAndDeleteBatchExecution": "cancel batch",
    "createSession": "open session",
    "closeSession": "close session",
    "closeSessionForce": "close session",
    "createSnapshot": "create snapshot",
    "loadSnapshot": "load snapshot",
    "deleteSnapshot": "delete snapshot",
    "replaceComputeNodes": "replace compute nodes",
    "addComputeNodes": "add compute nodes",
    "removeComputeNodes": "remove compute nodes",
    "drainComputeNodes": "drain compute nodes",
    "resumeComputeNodes": "resume compute nodes",
    "createApiKey": "create API key",
    "revokeApiKey": "revoke API key",
    "createServiceAccount": "create service account",
    "removeServiceAccount": "remove service account",
}
# Work rather than administration, or, as a renewal, no new sign-in; the log has them.
NOT_AUDITED = {
    "renewToken",
    "consumeWebService",
    "executeCode",
    "cancelSession",
    "uploadSessionFile",
    "deleteSessionFile",
    "createWorkspaceObject",
    "deleteWorkspaceObject",
}
PUBLISHING = {"publishWebServiceVersion", "publishRealtimeWebServiceVersion"}
# They find it done already, or change what `state` does not know.
WITHOUT_CHANGE = {"loadSnapshot", "drainComputeNodes", "addComputeNodes"}
ENTRY = "http://10.0.0.1:12805/"
_DEFINITION = {"code": "1", "runtimeType": "Python"}
_ENTRIES = {"entries": [ENTRY]}
BODIES: dict[str, Any] = {
    "login": {"username": "alice", "password": PASSWORD},
    "publishWebService": _DEFINITION,
    "publishWebServiceVersion": _DEFINITION,
    "patchWebServiceVersion": {"description": "new"},
    "createOrUpdateServicePool": {"InitialPoolSize": 1, "MaxPoolSize": 2},
    "setGrants": {"grants": [{"right": "consume", "kind": "user", "name": "bob"}]},
    "startBatchExecution": [{}],
    "createSession": {"runtimeType": "R"},
    "replaceComputeNodes": _ENTRIES,
    "addComputeNodes": _ENTRIES,
    "removeComputeNodes": _ENTRIES,
    "drainComputeNodes": _ENTRIES,
    "resumeComputeNodes": _ENTRIES,
    "createApiKey": {"name": "laptop"},
    "createServiceAccount": {"name": "robot", "role": "Reader"},
}
CHANGES = [row for row in OPERATIONS if row.operation_id in ACTIONS]


def test_every_operation_that_is_not_a_get_is_audited_or_said_not_to_be() -> None:
    named = {row.operation_id for row in OPERATIONS if row.method != "GET"}
    assert named == {*ACTIONS, *NOT_AUDITED}


@dataclass
class Things:
    """What the operations are about; all of it alice's."""

    session: str
    snapshot: str
    batch: str
    refresh_token: str
    key: str

    def address(self, row: Operation) -> str:
        is_new = row.operation_id in PUBLISHING
        path = row.path.format_map(
            {
                "name": "model" if row.path.startswith("/realtime-services") else "churn",
                "version": "v2" if is_new else "v1",
                "id": self.snapshot if row.path.startswith("/snapshots") else self.session,
                "snapshotId": self.snapshot,
                "executionId": self.batch,
                "refreshToken": self.refresh_token,
                "keyId": self.key,
                "username": "nightly",
            }
        )
        return f"{path}?refreshToken={self.refresh_token}" if "refreshToken" in row.query else path


@pytest.fixture
def things(alice: User, request: pytest.FixtureRequest) -> Iterator[Things]:
    create_version(alice)
    if request.node.callspec.params["row"].path.startswith("/realtime-services"):
        create_realtime(alice, name="model")  # which takes its time
    batch = create_batch(alice)
    snapshot = create_snapshot(alice, runtime="R", files={"a.txt": b"1"})
    key = create_api_key(user=alice, name="cron").key
    User.objects.create(username="nightly", sign_in_method="service", assigned_role=1)
    NodeEntry.objects.create(uri=ENTRY)
    NodeDrain.objects.create(uri=ENTRY)  # sessions are to go to the other one
    with recording(alice) as node:
        session = node.path.rpartition("/")[2]
        refresh_token = tokens.issue(alice).refresh_token
        yield Things(session, str(snapshot.pk), str(batch.pk), refresh_token, str(key.pk))


def call(client: APIClient, row: Operation, things: Things) -> Any:
    if row.takes == FORM:
        model = SimpleUploadedFile("model.onnx", contained(adding()))
        body = {"model": model, "description": "new"}
        content, content_type = encode_multipart(BOUNDARY, body), MULTIPART_CONTENT
    else:
        content = json.dumps(BODIES.get(row.operation_id, {})).encode()
        content_type = row.takes
    return client.generic(row.method, things.address(row), content, content_type=content_type)


def state() -> list[Any]:
    """All that the operations may change."""
    kinds: list[Any] = [
        *(ApiKey, Batch, NodeDrain, NodeEntry, Session, Snapshot, TokenFamily, User),
    ]
    return [published(), *(list(kind.objects.order_by("pk").values()) for kind in kinds)]


@pytest.mark.parametrize("row", CHANGES, ids=str)
def test_a_change_leaves_one_entry(
    things: Things, alice: User, admin: User, client_for: ClientFor, row: Operation
) -> None:
    user = admin if row.role == OWNER else alice
    client, before = client_for(user), state()
    known = set(AuditEntry.objects.values_list("pk", flat=True))
    response = call(APIClient() if row.role == ANYBODY else client, row, things)
    assert response.status_code == row.success, response.content
    [entry] = AuditEntry.objects.exclude(pk__in=known)
    assert (entry.action, entry.username) == (ACTIONS[row.operation_id], user.username)
    assert (entry.outcome, entry.address) == ("success", "127.0.0.1")
    assert (row.operation_id in WITHOUT_CHANGE) == (state() == before)


@pytest.mark.parametrize("row", [row for row in CHANGES if row.role != ANYBODY], ids=str)
def test_a_refused_change_leaves_one_entry_and_changes_nothing(
    things: Things, declared_groups: None, client_for: ClientFor, row: Operation
) -> None:
    client, before = client_for(create_user("mallory")), state()
    known = set(AuditEntry.objects.values_list("pk", flat=True))
    assert call(client, row, things).status_code == 403
    [entry] = AuditEntry.objects.exclude(pk__in=known)
    assert (entry.action, entry.username) == (ACTIONS[row.operation_id], "mallory")
    assert (entry.outcome, entry.before, entry.after) == ("refused", None, None)
    assert entry.reason
    assert len(entry.login_session_id) == 128
    assert state() == before


@pytest.mark.parametrize("row", [row for row in CHANGES if row.role == PUBLISHER], ids=str)
def test_a_change_of_what_somebody_else_published_leaves_its_refusal(
    things: Things, bob: User, client_for: ClientFor, row: Operation
) -> None:
    client, before = client_for(bob), state()
    known = set(AuditEntry.objects.values_list("pk", flat=True))
    assert call(client, row, things).status_code == 403
    [entry] = AuditEntry.objects.exclude(pk__in=known)
    assert (entry.action, entry.username) == (ACTIONS[row.operation_id], "bob")
    assert (entry.outcome, entry.object in things.address(row)) == ("refused", True)
    assert state() == before


@pytest.mark.parametrize(
    "row", [row for row in OPERATIONS if row.operation_id in NOT_AUDITED], ids=str
)
def test_what_is_no_change_leaves_no_entry_when_it_is_refused(
    things: Things, declared_groups: None, client_for: ClientFor, row: Operation
) -> None:
    client = client_for(create_user("mallory"))
    known = AuditEntry.objects.count()
    assert client.generic(row.method, address(row), b"").status_code in (401, 403)
    assert AuditEntry.objects.count() == known
