"""The official Python client, signed in to the one-box, each of its exchanges checked."""

import uuid
from typing import Any

import pytest

from tests.clients import official
from tests.contract.exchanges import checked_reply


@pytest.fixture(scope="module")
def client(one_box: Any) -> Any:
    client = official.sign_in(one_box.url, "admin", one_box.admin_password)
    client._http_client._session.hooks["response"].append(checked_reply)
    return client


@pytest.fixture
def name() -> str:
    return f"client-{uuid.uuid4().hex[:12]}"
