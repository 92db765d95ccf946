"""A browser for tests: signs in on the real page, with CSRF enforced."""

import re
from urllib.parse import quote

from django.http import HttpResponse
from django.test import Client

from tests.conftest import PASSWORD

SIGN_IN = "/console/login/"


def open_browser() -> Client:
    return Client(enforce_csrf_checks=True)


def csrf_token(response: HttpResponse) -> str:
    return csrf_token_in(response.content.decode())


def csrf_token_in(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None
    return found[1]


def submit_sign_in(
    browser: Client, username: str, password: str = PASSWORD, *, then: str = ""
) -> HttpResponse:
    address = f"{SIGN_IN}?next={quote(then)}" if then else SIGN_IN
    token = csrf_token(browser.get(address))
    return browser.post(
        address,
        {"username": username, "password": password, "csrfmiddlewaretoken": token, "next": then},
    )


def signed_in(username: str) -> Client:
    browser = open_browser()
    assert submit_sign_in(browser, username).status_code == 302
    return browser
