"""A web node whose people come from a real directory, and its clients."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.clients import official
from tests.mlops.accounts.sign_in.slapd import PASSWORD, PEOPLE, Slapd
from tests.nodes.runtime.running import RunningNode
from tests.nodes.web import WebNode, start_web_node

LIST = "/console/services/service/"
_LET_AN_HOUR_PASS = """
from datetime import timedelta
from django.utils import timezone
from mlops.accounts.models import User
User.objects.update(directory_read_at=timezone.now() - timedelta(minutes=61))
"""


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, compute_node: RunningNode, running_slapd: Slapd
) -> Iterator[WebNode]:
    web_node = start_web_node(
        tmp_path_factory.mktemp("web-node"),
        MLOPS_CLUSTER_KEY=compute_node.cluster_key,
        MLOPS_CONTRIBUTOR_GROUPS="scientists",
        MLOPS_READER_GROUPS="readers",
        **running_slapd.environment(),
    )
    web_node.declare(f"{compute_node.address}/")
    yield web_node
    web_node.stop()


@pytest.fixture
def dora(slapd: Slapd) -> str:
    """Dora, who is a data scientist."""
    dn = slapd.person("dora")
    slapd.group("Scientists", [dn])
    slapd.group("Readers", [])
    return dn


@contextmanager
def signed_in(node: WebNode) -> Iterator[httpx.Client]:
    body = {"username": "dora", "password": PASSWORD}
    token = node.http.post("/login", json=body).raise_for_status().json()["access_token"]
    with node.client(Authorization=f"Bearer {token}") as client:
        yield client


@contextmanager
def browser(node: WebNode) -> Iterator[httpx.Client]:
    with node.client() as client:
        sign_in_to_the_console(node, client)
        yield client


def sign_in_to_the_console(node: WebNode, client: httpx.Client) -> None:
    page = client.get("/console/login/").text
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    form = {"csrfmiddlewaretoken": found[1], "username": "dora", "password": PASSWORD}
    answer = client.post("/console/login/", data=form, headers={"Referer": node.url})
    assert answer.status_code == 302, answer.text


def test_the_official_client_publishes_and_consumes(node: WebNode, dora: str) -> None:
    client = official.sign_in(node.url, "dora", PASSWORD)
    service = (
        client.service("doubling")
        .version("v1")
        .code_str("y = 2 * x")
        .inputs(x=float)
        .outputs(y=float)
        .deploy()
    )
    assert service.consume(21.0).output("y") == 42.0
    client._http_client._session.close()
    with signed_in(node) as other:
        published = other.get("/services/doubling/v1").json()
    assert published[0]["versionPublishedBy"] == "dora@example.org"


def test_a_change_of_groups_and_an_end_count_without_a_new_sign_in(
    node: WebNode, slapd: Slapd, dora: str
) -> None:
    with signed_in(node) as client, browser(node) as console:
        assert client.get("/services").status_code == 200
        assert console.get(LIST).status_code == 200
        slapd.leave("cn=Scientists,ou=Groups,dc=example,dc=org", dora)
        assert client.get("/services").status_code == 200  # within the lifetime
        node.run(_LET_AN_HOUR_PASS)
        assert client.post("/api/absent/v1", json={}).status_code == 403
        assert client.get("/services").status_code == 403
        assert console.get(LIST).status_code == 302
        slapd.join("cn=Readers,ou=Groups,dc=example,dc=org", dora)
        node.run(_LET_AN_HOUR_PASS)
        assert console.get(LIST).status_code == 200
        assert client.get("/services").status_code == 200
        slapd.delete(dora)
        node.run(_LET_AN_HOUR_PASS)
        assert client.post("/api/absent/v1", json={}).status_code == 401
        assert client.get("/services").status_code == 401
        assert console.get(LIST).status_code == 302


def test_an_outage_shows_as_one_and_ends_nothing(node: WebNode, slapd: Slapd, dora: str) -> None:
    with signed_in(node) as client:
        details = {"host": "127.0.0.1", "port": slapd.port, "useLdaps": False, "searchBase": PEOPLE}
        known = client.get("/status").json()["components"]["authentication"]
        assert known["statusCode"] == "pass"
        child = {"statusCode": "pass", "details": details, "components": None}
        assert known["components"] == {"ldap": child}
        slapd.stop()
        refusal = node.http.post("/login", json={"username": "dora", "password": PASSWORD})
        assert refusal.status_code == 503
        assert refusal.headers["Retry-After"]
        assert client.get("/services").status_code == 200
        report = client.get("/status").json()
        assert report["statusCode"] == "fail"
        assert report["components"]["authentication"]["statusCode"] == "fail"
        ldap = report["components"]["authentication"]["components"]["ldap"]
        assert ldap["details"]["reason"].startswith("Can't contact LDAP server")
    slapd.start()
    with signed_in(node) as client:
        assert client.get("/services").status_code == 200


def test_no_password_is_in_the_log(node: WebNode) -> None:
    log = node.log.read_text()
    assert PASSWORD not in log
