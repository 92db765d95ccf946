import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mlops.accounts.models import User
from services.models import Upload
from services.uploads import PIECE_BYTES
from tests.mlops.console.browser import signed_in

pytestmark = pytest.mark.django_db
ADDRESS = "/console/uploads/"


@pytest.fixture
def browser(alice: User) -> Client:
    client = signed_in("alice")
    client.handler.enforce_csrf_checks = False
    return client


def begin(browser: Client, **said: Any) -> HttpResponse:
    body = json.dumps({"name": "model.pkl", "size": PIECE_BYTES + 3, **said})
    return browser.post(ADDRESS, body, content_type="application/json")


def put(browser: Client, address: str, offset: object, piece: bytes) -> HttpResponse:
    return browser.put(f"{address}?offset={offset}", piece, content_type="application/octet-stream")


def test_a_file_comes_in_pieces(browser: Client) -> None:
    answer = begin(browser)
    assert answer.status_code == 201
    upload = answer.json()
    assert upload == {
        "id": str(Upload.objects.get().pk),
        "name": "model.pkl",
        "size": PIECE_BYTES + 3,
        "received": 0,
        "pieceBytes": PIECE_BYTES,
    }
    address = f"{ADDRESS}{upload['id']}/"
    assert put(browser, address, 0, b"x" * PIECE_BYTES).json()["received"] == PIECE_BYTES
    assert browser.get(address).json()["received"] == PIECE_BYTES
    assert put(browser, address, PIECE_BYTES, b"end").json()["received"] == PIECE_BYTES + 3
    assert browser.get(ADDRESS).json()["uploads"][0]["received"] == PIECE_BYTES + 3


def test_a_wrong_offset_answers_with_the_right_one(browser: Client) -> None:
    address = f"{ADDRESS}{begin(browser).json()['id']}/"
    put(browser, address, 0, b"x" * PIECE_BYTES)
    answer = put(browser, address, 0, b"x" * PIECE_BYTES)
    assert answer.status_code == 409
    assert answer.json()["received"] == PIECE_BYTES


@pytest.mark.parametrize("offset", ["", "x", "-1", "1e3", "²", "9" * 30])
def test_an_offset_is_a_number(browser: Client, offset: str) -> None:
    address = f"{ADDRESS}{begin(browser).json()['id']}/"
    assert put(browser, address, offset, b"x" * PIECE_BYTES).status_code == 400


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"name": 1, "size": 2}', '{"name": "a", "size": true}', "[" * 9000]
)
def test_what_begins_an_upload_is_checked(browser: Client, body: str) -> None:
    answer = browser.post(ADDRESS, body, content_type="application/json")
    assert answer.status_code == 400
    assert "message" in answer.json()
    assert not Upload.objects.exists()


def test_an_upload_can_be_given_up(browser: Client) -> None:
    address = f"{ADDRESS}{begin(browser).json()['id']}/"
    assert browser.delete(address).status_code == 200
    assert browser.get(address).status_code == 404


def test_others_find_nothing(browser: Client, bob: User) -> None:
    address = f"{ADDRESS}{begin(browser).json()['id']}/"
    other = signed_in("bob")
    other.handler.enforce_csrf_checks = False
    assert other.get(address).status_code == 404
    assert put(other, address, 0, b"x" * PIECE_BYTES).status_code == 404
    assert other.delete(address).status_code == 404
    assert Upload.objects.get().received == 0
