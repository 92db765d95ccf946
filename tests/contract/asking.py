"""Asking for the rows of the table: an address for each, of a version that is there."""

import re
from typing import Any

from rest_framework.test import APIClient

from tests.contract.operations import BYTES, FORM, JSON, OPERATIONS, Operation

NAMES = {"name": "churn", "version": "v1", "index": "0"}
GUID = "00000000-0000-4000-8000-000000000000"  # of no session, no snapshot, no batch

# Bodies that are right, for calls on things that are there; the others need none.
BODIES = {
    "executeCode": (b'{"code":"1"}', JSON),
    "uploadSessionFile": (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nnew\r\n--x--',
        f"{FORM}; boundary=x",
    ),
    "createWorkspaceObject": (b"\x80\x04K\x01.", BYTES),
}


def address(row: Operation) -> str:
    """The row's path with names and ids in it."""
    return re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], GUID), row.path)


def content_type_of(row: Operation) -> str:
    return f"{FORM}; boundary=x" if row.takes == FORM else row.takes


def rows(*roles: str) -> list[Operation]:
    """The rows for one of these roles, all of them if none is named."""
    return [row for row in OPERATIONS if not roles or row.role in roles]


# The calls that name what a user has.
OF_SESSIONS = [row for row in rows() if row.path.startswith("/sessions/{id}")]
OF_SNAPSHOTS = [row for row in rows() if row.path.startswith("/snapshots/{id}")]
OF_KEYS = [row for row in rows() if "{keyId}" in row.path]
OF_BATCHES = [row for row in rows() if "{executionId}" in row.path]


def ask(client: APIClient, row: Operation, address: str) -> Any:
    """The answer to one of these calls with a body that is right."""
    body, content_type = BODIES.get(row.operation_id, (b"", content_type_of(row)))
    return client.generic(row.method, address, body, content_type=content_type)
