"""Compute nodes on the console of a real box, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import RunningNode, start_node

pytestmark = pytest.mark.any_database

LIVE = 60_000  # ms, in which what the prober sees is on the page


@pytest.fixture
def client(open_box: OneBox) -> Iterator[httpx.Client]:
    with open_box.client() as client:
        yield client


@pytest.fixture
def node(open_box: OneBox, client: httpx.Client, tmp_path: Path) -> Iterator[RunningNode]:
    """A second compute node of the box, not declared; at the end it is not declared any more."""
    key = (open_box.data_dir / "secrets/cluster_key").read_text().strip()
    node = start_node(tmp_path, cluster_key=key)
    before = client.get("/computenodes").json()["computeNodes"]
    yield node
    client.post("/computenodes", json={"entries": before}).raise_for_status()
    node.stop()


def declare(client: httpx.Client, node: RunningNode) -> None:
    client.put("/computenodes", json={"entries": [node.address]}).raise_for_status()


def open_list(page: Page, box: OneBox) -> None:
    page.goto(f"{box.url}/console/nodes/nodehealth/")


def row_of(page: Page, node: RunningNode) -> Locator:
    return page.locator("#result_list tr.data-row").filter(has_text=f":{node.port}")


def shows(row: Locator, state: str) -> None:
    """Returns when the page, which is not loaded again, shows the state."""
    expect(row.locator(".badge", has_text=state)).to_be_visible(timeout=LIVE)


def test_a_range_is_spelled_out_as_it_is_typed_and_its_nodes_appear(
    open_box: OneBox, page: Page, node: RunningNode
) -> None:
    open_list(page, open_box)
    page.get_by_role("link", name="Declare nodes").click()
    field, preview = page.get_by_label("Addresses"), page.locator("#preview")
    field.press_sequentially("http://1.0.1-3.1-2:12805")
    for third in (1, 2, 3):
        for fourth in (1, 2):
            expect(preview.get_by_text(f"http://1.0.{third}.{fourth}:12805/")).to_be_visible()
    field.fill("http://1.0.3-1.1:12805")
    expect(preview.get_by_text("a range goes upwards, not from 3 to 1")).to_be_visible()
    expect(preview.locator(".wrong")).to_have_text("1.1:12805")
    field.fill(f"http://127.0.0.1:{node.port}-{node.port + 1}\nhttp://127.0.0.1:{node.port}")
    expect(preview.get_by_text("3 new addresses in 2 entries")).to_be_visible()
    page.get_by_role("button", name="Declare").click()
    expect(page.get_by_text("Declared 3 addresses.")).to_be_visible()
    shows(row_of(page, node).first, "ready")


def test_a_node_is_drained_and_resumed_by_keyboard_alone(
    open_box: OneBox, page: Page, client: httpx.Client, node: RunningNode
) -> None:
    declare(client, node)
    open_list(page, open_box)
    row = row_of(page, node)
    shows(row, "ready")
    for verb, state in (("drain", "draining"), ("resume", "ready")):
        row.get_by_role("checkbox").press("Space")
        # What is selected stays so while the list is renewed beneath it.
        with page.expect_response(lambda answer: "nodehealth" in answer.url):
            pass
        expect(row.get_by_role("checkbox")).to_be_checked()
        page.get_by_label("Action").first.focus()
        page.keyboard.type(verb)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        button = page.get_by_role("button", name=verb.capitalize())
        expect(page.get_by_text("They" if verb == "remove" else "go there").first).to_be_visible()
        button.focus()
        page.keyboard.press("Enter")
        shows(row, state)
    expect(row.get_by_text("It is empty")).to_have_count(0)


def test_a_node_that_dies_is_shown_to_be_down_and_why(
    open_box: OneBox, page: Page, client: httpx.Client, node: RunningNode
) -> None:
    declare(client, node)
    open_list(page, open_box)
    row = row_of(page, node)
    shows(row, "ready")
    node.process.kill()
    node.process.wait()
    shows(row, "down")
    expect(row.get_by_text("refused")).to_be_visible()


def test_what_hangs_on_a_node_is_shown_before_it_is_removed(
    open_box: OneBox, page: Page, client: httpx.Client, node: RunningNode
) -> None:
    declare(client, node)
    open_list(page, open_box)
    shows(row_of(page, node), "ready")
    row_of(page, node).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    expect(page.get_by_text("0 sessions")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text(f"Declared no longer: http://127.0.0.1:{node.port}")).to_be_visible()
    expect(row_of(page, node)).to_have_count(0, timeout=LIVE)


def test_a_session_is_ended_and_leaves_the_list(
    open_box: OneBox, page: Page, client: httpx.Client
) -> None:
    body = {"runtimeType": "Python", "name": "to be ended"}
    opened = client.post("/sessions", json=body).raise_for_status().json()["sessionId"]
    page.goto(f"{open_box.url}/console/nodes/session/")
    row = page.locator("#result_list tr.data-row").filter(has_text=opened)
    expect(row.get_by_text("to be ended").first).to_be_visible()
    row.get_by_role("link", name="End").click()
    page.get_by_role("button", name="End it").click()
    expect(row).to_have_count(0, timeout=LIVE)
    assert client.get(f"/sessions/{opened}/files").status_code == 404
