"""No secret shows anywhere: logs, database, processes, answers, metrics."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.one_box import OneBox, read_process
from tests.mlops.console.browser import csrf_token_in
from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.running import wait_until

METRICS_TOKEN = "metrics-token-that-nobody-guesses-0123456789"
WRONG = "Wrong-Guess-77"
SERVICE = {
    "runtimeType": "Python",
    "code": "import os\nnames = sorted(os.environ)\ny = x * 2",
    "inputParameterDefinitions": [{"name": "x", "type": "numeric"}],
    "outputParameterDefinitions": [{"name": "y", "type": "numeric"}],
}


@dataclass
class Used:
    """A box that has been used, with what was secret in that and what it answered."""

    box: OneBox
    secrets: dict[str, str]
    answers: list[str] = field(default_factory=list)  # but for the tokens in those that give some

    def found_in(self, text: str | bytes) -> list[str]:
        """The names of the secrets in a text."""
        content = text.encode() if isinstance(text, str) else text
        return [name for name, secret in self.secrets.items() if secret.encode() in content]

    def note(self, answer: httpx.Response) -> httpx.Response:
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    box = OneBox(tmp_path_factory.mktemp("box"))
    try:
        box.start(MLOPS_LOG_LEVEL="DEBUG", MLOPS_METRICS_TOKEN=METRICS_TOKEN, MLOPS_RSCRIPT=NO_R)
        used = Used(box, {"password": box.admin_password, "wrong password": WRONG})
        used.secrets |= secrets_of(box.data_dir / "secrets") | {"metrics token": METRICS_TOKEN}
        with httpx.Client(base_url=box.url, timeout=120) as http:
            use_api(used, http)
            use_badly(used, http)
            use_console(used)
        yield used
    finally:
        box.stop()


def secrets_of(folder: Path) -> dict[str, str]:
    """What the box has made: each text, of PEM files a line in the middle."""
    texts = {path.name: path.read_text().strip() for path in folder.iterdir()}
    assert {"cluster_key", "secret_key", "token_signing_key.pem"} <= set(texts)
    return {
        name: text.splitlines()[5] if "PRIVATE KEY" in text else text
        for name, text in texts.items()
    }


def use_api(used: Used, http: httpx.Client) -> None:
    """Sign in, renew, publish, call, revoke in both spellings."""
    body = {"username": "admin", "password": used.box.admin_password}
    for number in (1, 2):
        first = http.post("/login", json=body).raise_for_status().json()
        renewal = {"refreshToken": first["refresh_token"]}
        second = http.post("/login/refreshToken", json=renewal).raise_for_status().json()
        for name, pair in (("first", first), ("second", second)):
            used.secrets[f"{name} access token {number}"] = pair["access_token"]
            used.secrets[f"{name} refresh token {number}"] = pair["refresh_token"]
        bearer = {"Authorization": f"Bearer {second['access_token']}"}
        calls: list[tuple[str, str, Any]] = [
            ("POST", f"/services/double/v{number}", SERVICE),
            ("POST", f"/api/double/v{number}", {"x": 2}),
            ("GET", "/services", None),
            ("GET", "/status", None),
            ("GET", "/metrics", None),
        ]
        for method, address, body_of_call in calls:
            answer = http.request(method, address, json=body_of_call, headers=bearer)
            used.note(answer.raise_for_status())
        old = {"Authorization": f"Bearer {first['access_token']}"}
        assert used.note(http.get("/services", headers=old)).status_code == 401
        token = second["refresh_token"]
        address = f"/login/refreshToken?refreshToken={token}"
        used.note(http.delete(address if number == 1 else f"/login/refreshToken/{token}"))
        assert used.note(http.get("/services", headers=bearer)).status_code == 401
    metrics = f"http://127.0.0.1:{used.box.compute_port}/metrics"
    shown = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    used.note(httpx.get(metrics, headers=shown).raise_for_status())


def use_badly(used: Used, http: httpx.Client) -> None:
    """Secrets in the wrong places, and what goes wrong in other ways."""
    password = used.box.admin_password
    token = used.secrets["first access token 1"]
    bodies: list[Any] = [
        {"username": "admin", "password": WRONG},
        {"username": password, "password": password},
        {"username": "admin", "password": [password]},
        {"username": {"name": password}, "password": {"x": password}},
        {"user": "admin", "pass": password},
        [password],
        password,
    ]
    for body in bodies:
        assert used.note(http.post("/login", json=body)).status_code == 401
    for text in (f'{{"username": "admin", "password": "{password}"', f"{password}\0", '"\\ud800"'):
        used.note(http.post("/login", content=text.encode()))
    used.note(http.put("/login", json={"password": password}))
    used.note(http.post("/login/refreshToken", json={"refreshToken": password}))
    for header in (f"Bearer {password}", f"Basic {password}", f"Bearer {token}x", f"bearer{token}"):
        for method, address in (("GET", "/services"), ("POST", "/api/double/v1"), ("GET", "/none")):
            used.note(http.request(method, address, headers={"Authorization": header}))
    used.note(http.post("/services/x/1", content=f'{{"code": "{password}'.encode()))
    used.note(httpx.post(f"http://127.0.0.1:{used.box.compute_port}/v1/score", json=[password]))


def use_console(used: Used) -> None:
    """Fail to sign in with the browser, then come in, look around, and fail elsewhere."""
    with httpx.Client(base_url=used.box.url, timeout=120, follow_redirects=True) as browser:
        page = browser.get("/console/login/")
        for password in (WRONG, used.box.admin_password):
            form = {"username": "admin", "password": password}
            form["csrfmiddlewaretoken"] = csrf_token_in(page.text)
            page = used.note(browser.post("/console/login/", data=form))
        used.secrets["session key"] = browser.cookies["sessionid"]
        for address in ("/console/", "/console/nodes/nodehealth/", "/docs", "/none"):
            used.note(browser.get(address))
        used.note(browser.post("/console/logout/", data={"password": used.box.admin_password}))
    # The answer to the sign-in sets the cookie, nothing else shows the key.
    used.answers = [each for each in used.answers if "set-cookie" not in each.lower()]


def test_secrets_are_found_where_they_are(used: Used) -> None:
    """Or the other tests would prove nothing."""
    assert len(used.secrets) == 15
    assert all(len(secret) > 10 for secret in used.secrets.values())
    assert used.found_in(f"a{used.box.admin_password}b") == ["password"]


def test_no_log_shows_any(used: Used) -> None:
    logs = sorted((used.box.data_dir / "logs").iterdir())
    assert len(logs) >= 4
    wait_until(lambda: any(b"/services" in log.read_bytes() for log in logs))
    assert {log.name: found for log in logs if (found := used.found_in(log.read_bytes()))} == {}
    assert used.found_in(used.box.output) == []


def test_no_answer_shows_any(used: Used) -> None:
    assert len(used.answers) > 30
    assert [(each, found) for each in used.answers if (found := used.found_in(each))] == []


def test_the_database_holds_none(used: Used) -> None:
    files = list(used.box.data_dir.glob("mlops.sqlite3*"))
    dump = used.box.manage("dumpdata")
    assert '"accounts.user"' in dump
    assert used.found_in(dump) == []
    assert {file.name: used.found_in(file.read_bytes()) for file in files} == {
        file.name: [] for file in files
    }


def test_no_other_file_holds_any(used: Used) -> None:
    secrets = used.box.data_dir / "secrets"
    found = {
        str(path): names
        for path in used.box.data_dir.rglob("*")
        if path.is_file()
        and not path.is_relative_to(secrets)
        and (names := used.found_in(path.read_bytes()))
    }
    assert found == {}


def test_no_command_line_shows_any(used: Used) -> None:
    processes = used.box.processes()
    assert len(processes) > 4
    assert [each for each in processes if used.found_in(read_process(each.pid, "cmdline"))] == []


def test_shells_inherit_none(used: Used) -> None:
    shells = used.box.shells("Python")
    assert shells
    found = [used.found_in(read_process(shell, "environ")) for shell in shells]
    assert not any(found)


def test_passwords_are_kept_as_slow_hashes_and_tokens_as_fast_ones(used: Used) -> None:
    dump = used.box.manage("dumpdata", "accounts")
    assert re.findall(r'"password": "(\w+)\$', dump) == ["pbkdf2_sha256"]
    assert re.findall(r'"model": "accounts.refreshtoken", "pk": "([0-9a-f]{64})"', dump)


def test_files_of_the_box_are_for_its_user_only(used: Used) -> None:
    files = [used.box.data_dir / "secrets", *used.box.data_dir.glob("secrets/*")]
    assert [path for path in files if path.stat().st_mode & 0o077] == []
