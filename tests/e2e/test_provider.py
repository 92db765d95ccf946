"""A real web node at which people sign in with a real provider: browser, clients, outages."""

import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.clients import official
from tests.e2e.browsing import ARGUMENTS
from tests.nodes.runtime.running import RunningNode
from tests.nodes.web import WebNode, start_web_node
from tests.openid.running import (
    OWNERS,
    PEOPLE,
    SCIENTISTS,
    OpenIdProvider,
    SigningKey,
    clients,
    person,
)

pytestmark = pytest.mark.any_database


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory,
    compute_node: RunningNode,
    openid_process: OpenIdProvider,
) -> Iterator[WebNode]:
    """A web node for the people of the provider, which it has never spoken to yet."""
    openid_process.reset()
    node = start_web_node(
        tmp_path_factory.mktemp("provider"),
        MLOPS_CLUSTER_KEY=compute_node.cluster_key,
        MLOPS_OWNER_GROUPS=OWNERS,
        MLOPS_CONTRIBUTOR_GROUPS=f"another, {SCIENTISTS}",
        **openid_process.environment(),
    )
    node.declare(f"{compute_node.address}/")
    yield node
    node.stop()


@pytest.fixture
def provider(openid_process: OpenIdProvider, node: WebNode) -> OpenIdProvider:
    """The provider, where the web node is registered."""
    openid_process.reset()
    openid_process.configure(clients=clients(f"{node.url}/console/login/provider/answer"))
    return openid_process


def status_of(node: WebNode, token: str, path: str = "/services") -> int:
    with node.client(Authorization=f"Bearer {token}") as client:
        return client.get(path).status_code


def double(x):
    return 2 * x


def test_a_person_signs_in_with_a_browser_and_out_again(
    node: WebNode, provider: OpenIdProvider
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.goto(f"{node.url}/console/services/service/")
        expect(page.locator("input[name=password]")).to_have_count(0)
        page.get_by_role("link", name="Sign in with Microsoft").click()
        page.locator("input[name=login]").fill("carol")
        page.locator("input[name=password]").fill("of no importance")
        page.get_by_role("button", name="Sign-in").click()
        expect(page).to_have_url(f"{node.url}/console/services/service/")
        page.context.clear_cookies(name=re.compile("sessionid"))  # as when it runs out
        page.goto(f"{node.url}/console/nodes/nodeentry/")
        expect(page).to_have_url(f"{node.url}/console/nodes/nodeentry/")
        page.evaluate("document.querySelector('form[action*=logout]').submit()")
        expect(page.get_by_role("link", name="Sign in with Microsoft")).to_be_visible()
        browser.close()


def test_the_official_client_publishes_and_calls_with_a_token_of_the_provider(
    node: WebNode, provider: OpenIdProvider
) -> None:
    client = official.DeployClient(node.url, use=official.MLServer, auth=provider.token("carol"))
    name = f"service-{uuid.uuid4().hex[:8]}"
    service = client.deploy_service(
        name, version="v1", code_fn=double, inputs={"x": float}, outputs={"answer": float}
    )
    assert service.double(21.0).output("answer") == 42.0
    with node.client(Authorization=f"Bearer {provider.token('carol')}") as carol:
        (found,) = carol.get(f"/services/{name}").json()
        assert found["versionPublishedBy"] == "carol@example.com"
    dave = provider.token("dave", groups=[SCIENTISTS])
    with node.client(Authorization=f"Bearer {dave}") as other:
        assert other.post(f"/api/{name}/v1", json={"x": 1}).status_code == 200
        assert other.delete(f"/services/{name}/v1").status_code == 403
    with node.client(Authorization=f"Bearer {provider.token('olga')}") as owner:
        assert owner.delete(f"/services/{name}/v1").status_code == 200


def test_somebody_in_no_declared_group_reads_only(node: WebNode, provider: OpenIdProvider) -> None:
    token = provider.token("erna", groups=[])
    assert status_of(node, token) == 200
    with node.client(Authorization=f"Bearer {token}") as client:
        assert client.post("/sessions", json={}).status_code != 401
        assert client.post("/services/forbidden/v1", json={"code": "1"}).status_code == 403


def test_tokens_go_on_counting_while_the_provider_hangs(
    node: WebNode, provider: OpenIdProvider
) -> None:
    known, other = provider.token("carol"), provider.token("olga")
    assert status_of(node, known) == 200
    provider.hang()
    strange = SigningKey().sign(provider.claims())
    statuses: list[int] = []

    def ask() -> None:
        """Until the provider was asked for the key, which it is not all the time."""
        deadline = time.monotonic() + 30
        with node.client(Authorization=f"Bearer {strange}") as client:
            while 503 not in statuses and time.monotonic() < deadline:
                statuses.append(client.post("/api/none/v1", json={}).status_code)

    waiting = [threading.Thread(target=ask) for _ in range(4)]
    for thread in waiting:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in waiting):
        begun_at = time.monotonic()
        with node.client(Authorization=f"Bearer {known}") as client:
            assert client.post("/api/none/v1", json={}).status_code == 404
        assert httpx.get(f"{node.url}/ping").status_code == 200
        assert status_of(node, other) == 200
        slowest = max(slowest, time.monotonic() - begun_at)
    assert slowest < 2
    assert set(statuses) == {401, 503}


def test_a_key_that_changed_counts_without_a_restart(
    node: WebNode, provider: OpenIdProvider
) -> None:
    provider.configure(people=PEOPLE | {"frieda": person("frieda", OWNERS)})
    assert status_of(node, provider.token("frieda")) == 200
    provider.rotate()
    token = provider.token("frieda")
    deadline = time.monotonic() + 30
    # The provider, away until now, is asked again after seconds.
    while (status := status_of(node, token)) != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200


def test_no_secret_is_in_the_log(node: WebNode, provider: OpenIdProvider) -> None:
    token = provider.token("carol")
    status_of(node, token)
    log = node.log.read_text()
    assert token.rpartition(".")[2] not in log
    assert provider.environment()["MLOPS_ENTRA_KEY"] not in log
