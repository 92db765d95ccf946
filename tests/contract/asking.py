"""Asking for the rows of the table: an address for each, of a version that is there."""

import re

from django.urls import Resolver404, resolve

from tests.contract.operations import FORM, OPERATIONS, Operation

NAMES = {"name": "churn", "version": "v1", "index": "0"}
GUID = "00000000-0000-4000-8000-000000000000"  # of no session, no snapshot, no batch


def address(row: Operation) -> str:
    """The row's path with names and ids in it."""
    return re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], GUID), row.path)


def content_type_of(row: Operation) -> str:
    return f"{FORM}; boundary=x" if row.takes == FORM else row.takes


def is_served(row: Operation) -> bool:
    try:
        resolve(address(row))
    except Resolver404:
        return False
    return True


def rows(*roles: str) -> list[Operation]:
    """The rows for one of these roles, all of them if none is named."""
    return [row for row in OPERATIONS if (not roles or row.role in roles) and is_served(row)]
