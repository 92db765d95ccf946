"""The log of what users do, as a web node at the level Information writes it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.nodes.runtime.running import RunningNode, wait_until
from tests.nodes.web import PASSWORD, WebNode, start_web_node

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 \[Information\] (\{.*\})", re.ASCII
)
CREDENTIALS = {"username": "admin", "password": PASSWORD}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode) -> Iterator[WebNode]:
    """A web node behind a proxy on this machine, at the level Information."""
    web_node = start_web_node(
        tmp_path_factory.mktemp("web-node"),
        MLOPS_CLUSTER_KEY=compute_node.cluster_key,
        MLOPS_LOG_LEVEL="INFO",
        MLOPS_TRUSTED_PROXIES="127.0.0.1",
    )
    web_node.declare(f"{compute_node.address}/")
    yield web_node
    web_node.stop()


def lines_of(node: WebNode, answer: httpx.Response, number: int = 2) -> list[str]:
    """The JSON of the lines about one answered request, as written."""
    mark = f'"CorrelationId":"{answer.headers["CorrelationId"]}"'

    def found() -> list[str]:
        return [line for line in node.log.read_text().splitlines() if mark in line]

    wait_until(lambda: len(found()) >= number)
    matches = [LINE.fullmatch(line) for line in found()]
    assert all(matches)
    return [match[1] for match in matches if match]


def subjects_of(node: WebNode, answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line)["Subject"] for line in lines_of(node, answer)]


def sid_of(pair: Any) -> str:
    claims = jwt.decode(pair["access_token"], options={"verify_signature": False})
    return str(claims["sid"])


def test_a_login_is_noted_between_its_request_and_its_response(node: WebNode) -> None:
    answer = node.http.post("/login", json=CREDENTIALS, headers={"X-Forwarded-For": "192.0.2.7"})
    head = f'{{"CorrelationId":"{answer.headers["CorrelationId"]}","Subject":{{"Operation":'
    sid = sid_of(answer.json())
    assert re.fullmatch("[0-9A-F]{128}", sid)
    assert lines_of(node, answer, 3) == [
        f'{head}"REQUEST POST /login","UserPrincipalName":null,'
        '"RemoteIpAddress":"192.0.2.7","LoginSessionId":null}}',
        f'{head}"Login","UserPrincipalName":"admin",'
        f'"RemoteIpAddress":"192.0.2.7","LoginSessionId":"{sid}"}}}}',
        f'{head}"RESPONSE POST /login","UserPrincipalName":"admin",'
        '"RemoteIpAddress":"192.0.2.7","StatusCode":200}}',
    ]


def test_a_scoring_call_is_noted_with_its_user_and_login(node: WebNode) -> None:
    pair = node.http.post("/login", json=CREDENTIALS).json()
    newer = node.http.post("/login/refreshToken", json={"refreshToken": pair["refresh_token"]})
    assert sid_of(newer.json()) == sid_of(pair)
    headers = {"Authorization": f"Bearer {newer.json()['access_token']}"}
    service = {"code": "answer = 1", "runtimeType": "Python"}
    node.http.post("/services/noted/v1", json=service, headers=headers).raise_for_status()
    answer = node.http.post("/api/noted/v1?a=b", json={"x": "an input"}, headers=headers)
    assert answer.status_code == 200
    caller = {"UserPrincipalName": "admin", "RemoteIpAddress": "127.0.0.1"}
    assert subjects_of(node, answer) == [
        {"Operation": "REQUEST POST /api/noted/v1", **caller, "LoginSessionId": sid_of(pair)},
        {"Operation": "RESPONSE POST /api/noted/v1", **caller, "StatusCode": 200},
    ]


def test_a_call_by_an_api_key_is_noted_with_the_id_of_the_key(node: WebNode) -> None:
    with node.sign_in() as signed_in:
        made = signed_in.post("/apikeys", json={"name": "noted"}).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    answers = [
        node.http.get("/services", headers=headers),
        node.http.post("/api/none/v1", json={}, headers=headers),
        node.http.delete(f"/apikeys/{made['key']}", headers=headers),
    ]
    for answer in answers:
        request, _ = subjects_of(node, answer)
        assert (request["UserPrincipalName"], request["LoginSessionId"]) == ("admin", made["id"])
    assert made["key"][23:87] not in node.log.read_text()
    with node.sign_in() as signed_in:
        wait_until(lambda: signed_in.get("/apikeys").json()[-1]["lastUseTime"])


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/services", {}, 401),
        ("POST", "/api/no/v1", {"headers": {"Authorization": "Bearer x"}}, 401),
        ("POST", "/services/a", {"content": bytes(1024**2 + 1)}, 401),
        ("POST", "/login", {"json": {**CREDENTIALS, "password": "wrong"}}, 401),
        ("PUT", "/services/a/b/c/d", {}, 404),
    ],
)
def test_what_is_refused_is_noted_too(
    node: WebNode, method: str, path: str, options: Any, status: int
) -> None:
    answer = node.http.request(method, path, **options)
    request, response = subjects_of(node, answer)
    assert request["Operation"] == f"REQUEST {method} {path}"
    assert (request["UserPrincipalName"], request["LoginSessionId"]) == (None, None)
    assert (response["StatusCode"], answer.status_code) == (status, status)


def test_a_browser_is_noted_under_the_name_of_its_user(node: WebNode) -> None:
    with httpx.Client(base_url=node.url, timeout=120) as browser:
        browser.get("/console/login/")
        form = {**CREDENTIALS, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/console/login/", data=form).status_code == 302
        first, other = (browser.get(path) for path in ("/services", "/sessions"))
        request, response = subjects_of(node, first)
        assert request["UserPrincipalName"] == response["UserPrincipalName"] == "admin"
        assert re.fullmatch("[0-9A-F]{128}", request["LoginSessionId"])
        assert subjects_of(node, other)[0]["LoginSessionId"] == request["LoginSessionId"]


@pytest.mark.parametrize(
    "path", ["/api/a%0D%0A2026-01-01%20forged/v1", '/api/a"},"x":{%22/v1', "/api/%E2%80%A8/%C3%A9"]
)
def test_nobody_can_write_a_line_of_their_own(node: WebNode, path: str) -> None:
    hostile = {"X-Forwarded-For": 'x"}\t2026', "User-Agent": "x"}
    answer = node.http.post(path, headers=hostile)
    request, response = subjects_of(node, answer)
    assert request["Operation"].startswith("REQUEST POST /api/")
    assert response["StatusCode"] == answer.status_code


def test_secrets_and_inputs_are_never_written(node: WebNode) -> None:
    pair = node.http.post("/login", json=CREDENTIALS).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    node.http.post("/api/no/v1", json={"x": "an input"}, headers=headers)
    refresh_token = {"refreshToken": pair["refresh_token"]}
    answer = node.http.delete("/login/refreshToken/secret/secret")
    assert subjects_of(node, answer)[0]["Operation"] == "REQUEST DELETE /login/refreshToken/***"
    answer = node.http.delete("/login/refreshToken", params=refresh_token)
    assert subjects_of(node, answer)[0]["Operation"] == "REQUEST DELETE /login/refreshToken"
    log = node.log.read_text()
    for text in (PASSWORD, pair["access_token"], pair["refresh_token"], "an input", "secret"):
        assert text not in log


def test_other_addresses_are_not_noted(node: WebNode) -> None:
    addresses = ("/ping", "/console/login/", "/static/console/console.css", "/openapi.json")
    answers = [node.http.get(address) for address in addresses]
    last = node.http.get("/services")
    lines_of(node, last)
    log = node.log.read_text()
    for answer in answers:
        assert f'"CorrelationId":"{answer.headers["CorrelationId"]}"' not in log


def test_nothing_is_noted_at_the_level_warning(web_node: WebNode) -> None:
    assert web_node.http.get("/services").status_code == 401
    assert "[Information]" not in web_node.log.read_text()
