"""Signing in with a code, and what clients do with a token of the provider."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.test import Client
from mlops_sign_in import SignInFailed, access_token, write_privately

from mlops.accounts.models import User
from tests.clients import official
from tests.nodes.runtime.running import ROOT
from tests.openid.running import AUDIENCE, CLIENT_ID, HOST_OF_ADAL, OpenIdProvider

pytestmark = pytest.mark.any_database


def enter_code(openid: OpenIdProvider, text: str, name: str) -> None:
    """What a person does who reads `text`."""
    found = re.search(r"open (\S+) and enter the code (\S+)\.", text)
    assert found, text
    with openid.browser() as http:
        page = http.get(found[1])
        for form in ({"user_code": found[2]}, {"user_code": found[2], "confirm": "yes"}):
            hidden = re.search(r'name="xsrf" value="(\w+)"', page.text)
            assert hidden, page.text
            page = http.post(found[1], data={"xsrf": hidden[1], **form})
        while page.is_redirect:
            page = http.get(page.headers["Location"])
            if action := re.search(r'action="([^"]+/interaction/[^"]+)"', page.text):
                prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
                assert prompt, page.text
                form = {"prompt": prompt[1], "login": name, "password": "of no importance"}
                page = http.post(action[1], data=form)
        assert page.status_code == 200, page.text


@pytest.fixture
def person(openid: OpenIdProvider) -> Callable[[str], None]:
    """Somebody who enters the code that a text names, while it is waited for."""

    def enter(text: str) -> None:
        threading.Thread(target=enter_code, args=[openid, text, "carol"]).start()

    return enter


def test_a_code_brings_a_token_of_whoever_enters_it(
    openid: OpenIdProvider, person: Callable[[str], None]
) -> None:
    token = access_token(
        f"{openid.origin}/tenant/v2.0",
        client_id=CLIENT_ID,
        audience=AUDIENCE,
        ca=openid.ca,
        show=person,
    )
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["upn"]) == (AUDIENCE, "carol@example.com")


def test_what_the_provider_says_of_a_wrong_client_is_said(openid: OpenIdProvider) -> None:
    with pytest.raises(SignInFailed, match="client"):
        access_token(openid.origin, client_id="unknown", audience=AUDIENCE, ca=openid.ca)


def test_an_outage_is_said(openid: OpenIdProvider) -> None:
    openid.stop()
    with pytest.raises(SignInFailed, match="cannot be used"):
        access_token(openid.origin, client_id=CLIENT_ID, audience=AUDIENCE, ca=openid.ca)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("former")
    path.chmod(0o644)
    write_privately("token", path)
    assert path.read_text() == "token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_official_client_signs_in_with_its_own_dictionary(
    openid: OpenIdProvider, person: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its library trusts few authorities unasked; the test gives one of those to this machine."""
    resolve = socket.getaddrinfo

    def on_this_machine(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == HOST_OF_ADAL else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", on_this_machine)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(openid.ca))
    given = {
        "authuri": f"https://{HOST_OF_ADAL}:{openid.port}",
        "tenant": "tenant",
        "clientid": CLIENT_ID,
        "resource": AUDIENCE,
        "user_code_callback": lambda code: person(code["message"]),
    }
    client = official.DeployClient("http://unused", use=official.MLServer, auth=given)
    token = client._http_client.authorization.removeprefix("Bearer ")
    answer = Client().get("/services", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert User.objects.get().username == "carol@example.com"


def test_the_command_does_it_all(openid: OpenIdProvider, tmp_path: Path) -> None:
    path = tmp_path / "token"
    command = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlops_sign_in", "--authority", openid.origin),
            *("--client-id", CLIENT_ID, "--audience", AUDIENCE, "--ca", openid.ca, path),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "clients/python"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout
    enter_code(openid, command.stdout.readline(), "olga")
    rest = command.stdout.read()
    command.stdout.close()
    assert command.wait(30) == 0
    token = path.read_text()
    assert token not in rest
    assert jwt.decode(token, options={"verify_signature": False})["upn"] == "olga@example.com"
