"""A browser's way through the provider's sign-in page, over HTTP."""

import re
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.openid.running import OpenIdProvider


def walk(http: httpx.Client, address: str, *, name: str, is_declined: bool = False) -> str:
    """Where the provider sends the browser in the end; `name` signs in where it is asked for."""
    origin = str(http.base_url).rstrip("/")
    while address.startswith(("/", origin)):
        page = http.get(address)
        if page.is_redirect:
            address = page.headers["Location"]
            continue
        assert page.status_code == 200, page.text
        if is_declined:
            address = _found(r'href="([^"]+/abort)"', page.text)
        else:
            form = {"prompt": "login", "login": name, "password": "of no importance"}
            address = http.post(_found(r'action="([^"]+)"', page.text), data=form).headers[
                "Location"
            ]
    return address


def answer_of(openid: OpenIdProvider, address: str, name: str = "carol") -> dict[str, str]:
    """What the provider answers at the end of a way that a new browser goes."""
    with openid.browser() as http:
        return dict(parse_qsl(urlsplit(walk(http, address, name=name)).query))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]
