"""Grants set by another process, on a web node that has answered calls before."""

import subprocess
import time

import httpx

from services.catalogue import FRESH_SECONDS
from tests.conftest import PASSWORD
from tests.nodes.web import WebNode

_DORA = f"""
from mlops.accounts.models import User
User.objects.create_user("dora", password={PASSWORD!r})
"""
_SLACK_SECONDS = 10.0  # for a machine that does other things meanwhile


def is_soon_answered(client: httpx.Client, status: int) -> bool:
    """Whether calls get this status before the web node must have read its catalogue again."""
    until = time.monotonic() + FRESH_SECONDS + _SLACK_SECONDS
    while time.monotonic() < until:
        if client.post("/api/guarded/v1", json={}).status_code == status:
            return True
    return False


def test_they_close_and_open_a_service_within_a_second(web_node: WebNode) -> None:
    web_node.run(_DORA)
    tokens = web_node.http.post("/login", json={"username": "dora", "password": PASSWORD}).json()
    bearer = f"Bearer {tokens['access_token']}"
    body = {"runtimeType": "Python", "code": "y = 1"}
    with web_node.sign_in() as admin, web_node.client(Authorization=bearer) as dora:
        assert admin.post("/services/guarded/v1", json=body).status_code == 201
        assert dora.post("/api/guarded/v1", json={}).json()["success"] is True
        command = web_node.command("grants", "set", "guarded", "--consume-group=Team")
        subprocess.run(command, check=True, capture_output=True, **web_node.surroundings())
        assert is_soon_answered(dora, 403)
        assert admin.post("/api/guarded/v1", json={}).status_code == 200
        assert admin.delete("/grants/guarded").status_code == 200
        assert is_soon_answered(dora, 200)
        assert admin.delete("/services/guarded/v1").status_code == 200
