"""A browser's user who sends the forms of accounts' pages."""

import re
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.mlops.console.browser import csrf_token, signed_in


class Person:
    """Somebody who is signed in to the console."""

    def __init__(self, username: str) -> None:
        self.browser: Client = signed_in(username)

    def sees(self, address: str) -> str:
        """The page's text."""
        answer = self.browser.get(address)
        assert answer.status_code == 200, answer.status_code
        return answer.content.decode()

    def sends(self, address: str, /, **form: Any) -> HttpResponse:
        """The answer to a form, sent as a page sends it."""
        token = csrf_token(self.browser.get("/console/account/"))
        return self.browser.post(address, {**form, "csrfmiddlewaretoken": token})


def key_in(page: str) -> str:
    """The text of the new API key that a page shows."""
    (found,) = set(re.findall(r"mlops_[0-9a-f]{16}_[0-9a-f]{72}", page))
    return str(found)
