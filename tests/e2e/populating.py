"""A box that is in use: people, versions, traffic, batches, sessions, a node that is gone."""

import json
from typing import Any

import httpx

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import ROOT, wait_until

PASSWORD = "Quite-Secret-1"
PEOPLE = {"olga": "chiefs", "carol": "scientists", "rita": "dashboards"}
_ACCOUNTS = """
from django.contrib.auth.models import Group
from mlops.accounts.models import User
for name, group in {people!r}.items():
    user = User.objects.create_user(name, password={password!r})
    user.groups.add(Group.objects.get_or_create(name=group)[0])
"""
_DRAFTS = """
from mlops.accounts.models import User
from services.drafts.content import blank
from services.drafts.keeping import begin_draft, save_draft
for name in {names!r}:
    user = User.objects.get(username=name)
    inputs = [{{"name": kind[0], "type": kind}} for kind in ("data.frame", "logical", "matrix")]
    content = {{**blank("Python"), "name": "tenure", "version": "1.0", "code": "t = 1",
               "inputs": inputs, "pool": {{"initial": 1, "max": 2}}}}
    save_draft(user=user, draft_id=begin_draft(user=user, kind="Python").pk, revision=0,
               content=content)
"""
IRIS = json.loads((ROOT / "mlops/onebox/demos/iris/example.json").read_text())
CHURN = {
    "code": "leaves = age < 30 and contract == 'monthly'\nscore = 1 / (1 + age / 30)\n",
    "description": "Who will leave within a month.\nTrained on the customers of 2025.",
    "inputParameterDefinitions": [
        {"name": "age", "type": "integer"},
        {"name": "contract", "type": "character"},
    ],
    "outputParameterDefinitions": [
        {"name": "leaves", "type": "logical"},
        {"name": "score", "type": "numeric"},
    ],
    "runtimeType": "Python",
}
FAILING = {
    "code": "print('dividing by', x)\ny = 1 / x\n",
    "description": "Fails for zero.",
    "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
    "outputParameterDefinitions": [{"name": "y", "type": "numeric"}],
    "runtimeType": "Python",
}


def populate(box: OneBox) -> None:
    """Fill the box over its REST API, as its people would."""
    box.manage("shell", "-c", _ACCOUNTS.format(people=PEOPLE, password=PASSWORD))
    box.manage("shell", "-c", _DRAFTS.format(names=["olga", "carol"]))
    with client_of(box, "olga") as olga, client_of(box, "carol") as carol:
        for version in ("1.0", "1.1", "2.0"):
            body = {**CHURN, "code": f"# release {version}\n{CHURN['code']}"}
            _sent(carol, "POST", f"/services/churn/{version}", body)
        for version in ("0", "1"):
            _sent(carol, "POST", f"/services/ratio/{version}", FAILING)
        _sent(olga, "PUT", "/computenodes", {"entries": ["http://127.0.0.1:9/"]})
        for index in range(40):
            _sent(olga, "POST", "/api/iris/1.0.0", IRIS)
            _sent(carol, "POST", "/api/churn/2.0", {"age": 20 + index, "contract": "monthly"})
            _sent(carol, "POST", "/api/ratio/1", {"x": index % 8})
        for name in ("carol", "olga"):
            client = carol if name == "carol" else olga
            created = _sent(client, "POST", "/api/ratio/1/batch", [{"x": x} for x in range(-5, 6)])
            batch = f"/api/ratio/1/batch/{created.json()['batchExecutionId']}"
            wait_until(lambda c=client, b=batch: c.get(b).json()["state"] == "Complete", every=0.2)
        session = _sent(carol, "POST", "/sessions", {"runtimeType": "Python", "name": "notebook"})
        _sent(carol, "POST", f"/sessions/{session.json()['sessionId']}/execute", {"code": "x = 1"})


def client_of(box: OneBox, username: str) -> httpx.Client:
    """A client of the REST API, signed in as one of the people."""
    credentials = {"username": username, "password": PASSWORD}
    token = httpx.post(f"{box.url}/login", json=credentials, timeout=60).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=box.url, headers=headers, timeout=60)


def _sent(client: httpx.Client, method: str, path: str, body: Any) -> httpx.Response:
    answer = client.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer
