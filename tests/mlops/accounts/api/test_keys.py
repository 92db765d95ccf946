"""/apikeys and /serviceaccounts."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from mlops.accounts.models import ApiKey, User

ClientFor = Callable[[User], APIClient]


def by_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def test_an_owner_makes_an_account_and_a_key_for_an_application(
    admin: User, client_for: ClientFor
) -> None:
    owner = client_for(admin)
    account = {"name": "robot", "role": "Reader", "description": "nightly run"}
    made = owner.post("/serviceaccounts", account, format="json")
    assert made.status_code == 201
    assert {name: made.json()[name] for name in account} == account
    assert [each["name"] for each in owner.get("/serviceaccounts").json()] == ["robot"]
    key = owner.post(
        "/apikeys", {"Account": "robot", "name": "cron", "services": ["churn"]}, format="json"
    )
    assert key.status_code == 201
    assert key["Cache-Control"] == "no-store"
    assert (key.json()["account"], key.json()["services"]) == ("robot", ["churn"])
    [listed] = owner.get("/apikeys").json()
    assert listed == {name: value for name, value in key.json().items() if name != "key"} | {
        "lastUseTime": listed["lastUseTime"]
    }


def test_a_person_makes_uses_and_revokes_an_own_key(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    made = client.post("/apikeys", {"name": "laptop", "days": 30}, format="json").json()
    assert by_key(made["key"]).get("/services").status_code == 200
    assert client.delete(f"/apikeys/{made['id']}").json() == made["id"]
    assert by_key(made["key"]).get("/services").status_code == 401


def test_somebody_elses_key_is_a_404(alice: User, bob: User, client_for: ClientFor) -> None:
    made = client_for(alice).post("/apikeys", {"name": "laptop"}, format="json").json()
    assert client_for(bob).delete(f"/apikeys/{made['id']}").status_code == 404
    assert client_for(bob).get("/apikeys").json() == []
    assert by_key(made["key"]).get("/services").status_code == 200


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x", "days": "1"}, {"name": 1}])
def test_a_body_that_makes_no_sense_is_a_400(
    alice: User, client_for: ClientFor, body: object
) -> None:
    assert client_for(alice).post("/apikeys", body, format="json").status_code == 400
    assert not ApiKey.objects.exists()


def test_a_key_makes_no_keys(admin: User, client_for: ClientFor) -> None:
    made = client_for(admin).post("/apikeys", {"name": "own"}, format="json").json()
    came = by_key(made["key"])
    account = {"name": "robot", "role": "Owner"}
    assert came.post("/apikeys", {"name": "other"}, format="json").status_code == 403
    assert came.delete(f"/apikeys/{made['id']}").status_code == 403
    assert came.post("/serviceaccounts", account, format="json").status_code == 403
    assert ApiKey.objects.count() == 1
    assert User.objects.count() == 1


def test_the_browser_of_somebody_signed_in_must_mean_it(admin: User) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(admin)
    assert browser.post("/apikeys", {"name": "x"}, format="json").status_code == 403
    account = {"name": "robot", "role": "Owner"}
    assert browser.post("/serviceaccounts", account, format="json").status_code == 403
    assert not ApiKey.objects.exists()
    assert User.objects.count() == 1


def test_a_refused_key_stays_out_of_answer_and_log(
    alice: User, client_for: ClientFor, caplog: pytest.LogCaptureFixture
) -> None:
    made = client_for(alice).post("/apikeys", {"name": "laptop"}, format="json").json()
    ApiKey.objects.all().delete()
    answer = by_key(made["key"]).get("/services")
    assert answer.status_code == 401
    for text in (made["key"], made["key"][23:87]):
        assert text not in answer.content.decode()
        assert text not in caplog.text
