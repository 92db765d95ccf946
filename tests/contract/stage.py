"""Who asks for every route, and what they have."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from pytest_django import Settings
from rest_framework.test import APIClient

from mlops.accounts import tokens
from mlops.accounts.api_keys.actions import create_api_key
from mlops.accounts.models import User
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import create_service_account
from nodes.draining import drain_nodes
from nodes.models import NodeEntry, Session
from tests.conftest import CONTRIBUTORS, PASSWORD, READERS, create_user
from tests.contract.asking import BODIES, content_type_of
from tests.contract.operations import JSON, Operation
from tests.contract.things import ANSWERS, EXECUTED, RESULT, Things, things_of
from tests.nodes.recorder import Recorder, recording

OWNERS = "chiefs"
ROBOT = "robot"  # a service account, which comes by an API key
DRAINED = "http://10.9.8.7:12805/"
# Who asks, and the role they have: by a group, as the local administrator, as it was made with.
CAST: dict[str, Role | None] = {
    "olga": Role.OWNER,
    "admin": Role.OWNER,
    "carol": Role.CONTRIBUTOR,
    ROBOT: Role.CONTRIBUTOR,
    "rita": Role.READER,
    "mallory": None,
}
_GROUPS = {"olga": OWNERS, "carol": CONTRIBUTORS, "rita": READERS, "mallory": ""}
ANONYMOUS = "nobody"

_PUBLISHED = {"publishWebServiceVersion", "publishRealtimeWebServiceVersion"}


@dataclass
class Stage:
    """Everybody, with what they have, on a node that notes whatever it is asked."""

    node: Recorder
    things: dict[str, Things]

    def body(self, row: Operation) -> tuple[bytes, str]:
        """What makes the call succeed for who may make it."""
        entries = {"entries": [DRAINED]}
        bodies: dict[str, Any] = {
            "publishWebService": {"code": "1", "runtimeType": "Python"},
            "publishWebServiceVersion": {"code": "1", "runtimeType": "Python"},
            "patchWebServiceVersion": {"description": "changed"},
            "createOrUpdateServicePool": {"InitialPoolSize": 1, "MaxPoolSize": 1},
            "startBatchExecution": [{"x": 1}],
            "replaceComputeNodes": {"entries": []},
            "addComputeNodes": {"entries": ["http://10.1.2.3:12805"]},
            "removeComputeNodes": entries,
            "drainComputeNodes": entries,
            "resumeComputeNodes": entries,
            "setGrants": {"grants": []},
            "createApiKey": {"name": "new"},
            "createServiceAccount": {"name": "new", "role": "Owner"},
        }
        if row.operation_id in bodies:
            return json.dumps(bodies[row.operation_id]).encode(), JSON
        return BODIES.get(row.operation_id, (b"", content_type_of(row)))

    def ask(self, client: APIClient, row: Operation, things: Things) -> Any:
        """The answer to the call on these things."""
        version = "new" if row.operation_id in _PUBLISHED else "v1"
        body, content_type = self.body(row)
        self.node.answer = {"executeCode": EXECUTED, "consumeWebService": RESULT}.get(
            row.operation_id, ANSWERS
        )
        address = things.address(row, version=version).replace("/none", f"/{ROBOT}")
        response = client.generic(row.method, address, body, content_type=content_type)
        if response.streaming:
            b"".join(response)
        return response


@contextmanager
def set_stage(settings: Settings) -> Iterator[Stage]:
    """Everybody and everything, once the database is there."""
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [CONTRIBUTORS], "Reader": [READERS]}
    alice = create_user("alice", group=CONTRIBUTORS)
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    robot = create_service_account(user=admin, name=ROBOT, role=Role.CONTRIBUTOR)
    everybody = [alice, admin, robot]
    everybody += [create_user(name, group=group) for name, group in _GROUPS.items()]
    NodeEntry.objects.create(uri=DRAINED)
    drain_nodes(user=admin, entries=[DRAINED])
    with recording(alice) as node:
        address = Session.objects.get().node
        yield Stage(node, {one.username: things_of(one, alice, address) for one in everybody})


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done to the database within is undone."""
    savepoint = transaction.savepoint()  # in an atomic block, durable ones would be refused
    yield
    transaction.savepoint_rollback(savepoint)


def client_of(name: str) -> APIClient:
    """A client of somebody in the cast, by a token or a key, or of nobody."""
    client = APIClient()
    if name == ROBOT:
        owner = User.objects.get(username="admin")
        key = create_api_key(user=owner, name="of the robot", account=ROBOT).text
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        assert client.get("/services").status_code == 200  # that it is used is noted to the minute
    elif name != ANONYMOUS:
        token = tokens.issue(User.objects.get(username=name)).access_token
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client
