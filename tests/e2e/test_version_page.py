"""The pages of services and versions of a real box in a real browser."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.one_box import OneBox
from tests.nodes.runtime.running import wait_until

pytestmark = pytest.mark.any_database

FAILING = {"code": "raise ValueError('no such luck')", "runtimeType": "Python"}
WAIT = 60_000  # ms: shells may have to start, and to load the version
SignIn = Callable[[], Page]


@pytest.fixture
def sign_in(browser: Browser, one_box: OneBox) -> Iterator[SignIn]:
    """Opens a browser of its own, in which the administrator has signed in."""
    contexts = []

    def signed_in() -> Page:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.goto(one_box.url)
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(one_box.admin_password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(re.compile("/console/(?!login)"))
        return page

    yield signed_in
    for context in contexts:
        context.close()


@pytest.fixture
def churn(one_box: OneBox) -> Iterator[str]:
    """A service with two versions that fail; nothing of it is left."""
    with one_box.client() as client:
        for version in ("v1", "v2"):
            definition = {**FAILING, "description": f"Version {version}"}
            assert client.post(f"/services/churn/{version}", json=definition).status_code == 201
        yield f"{one_box.url}/console/service/churn"
        client.delete("/grants/churn")
        for version in ("v1", "v2"):
            client.delete(f"/services/churn/{version}")


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


@pytest.mark.parametrize(("name", "output"), [("iris/1.0.0", "setosa"), ("bos-rf/1.0.0", "25.4")])
def test_a_demo_is_tried_with_its_example(
    one_box: OneBox, sign_in: SignIn, name: str, output: str
) -> None:
    page = sign_in()
    page.goto(f"{one_box.url}/console/service/{name}/")
    run(page)
    result = page.locator("#try-result")
    expect(result.get_by_text(output).first).to_be_visible(timeout=WAIT)
    for stage in ("waiting for a free shell", "running", "total on the web node"):
        expect(result.get_by_text(stage, exact=True)).to_be_visible()


def test_the_form_and_json_are_the_same_inputs(one_box: OneBox, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto(f"{one_box.url}/console/service/iris/1.0.0/")
    cell = page.get_by_label("sepal_length, row 2")
    cell.fill("9.5")
    cell.press("Enter")
    third = page.get_by_label("sepal_length, row 3")
    expect(third).to_be_focused()
    third.fill("4.5")
    page.get_by_role("tab", name="JSON").click()
    text = page.get_by_label("Inputs as JSON")
    expect(text).to_have_value(re.compile(r"9\.5,\s+4\.5"))
    text.fill('{"inputData": [{"sepal_length": 7, "other": "x"}]}')
    page.get_by_role("tab", name="Form").click()
    expect(page.get_by_label("other, row 1")).to_have_value("x")
    page.get_by_text("Paste CSV").click()
    page.get_by_label("First line: the names of the columns.").fill('a,b\n1,"x, y"\n2,z')
    page.get_by_role("button", name="Use these rows").click()
    expect(page.get_by_label("b, row 1")).to_have_value("x, y")
    expect(page.get_by_label("a, row 2")).to_have_value("2")


def test_code_that_fails_says_why(churn: str, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto(f"{churn}/v1/")
    run(page)
    expect(page.locator("#try-result").get_by_text("no such luck").first).to_be_visible(
        timeout=WAIT
    )


def test_a_run_that_is_cancelled_is_broken_off(
    churn: str, one_box: OneBox, sign_in: SignIn
) -> None:
    with one_box.client() as client:
        client.patch("/services/churn/v1", json={"code": "import time\ntime.sleep(600)"})
        page = sign_in()
        page.goto(f"{churn}/v1/")
        run(page)
        expect(page.get_by_text(re.compile(r"Running for [1-9]"))).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_text("the run was broken off")).to_be_visible()
        caller_gone = re.compile(r'mlops_calls_total{[^}]*name="churn"[^}]*status="499"')
        wait_until(lambda: bool(caller_gone.search(client.get("/metrics").text)))


def test_versions_are_compared(churn: str, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto(f"{churn}/v2/")
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_label("removed")).to_be_visible()
    page.get_by_label("to v2, shown").select_option("split")
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(re.compile("view=split"))
    expect(page.get_by_text("Version v1")).to_be_visible()


def test_a_version_is_deleted_by_its_typed_name(churn: str, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto(f"{churn}/v1/")
    page.get_by_role("link", name="Delete", exact=True).click()
    page.get_by_label("to confirm").fill("churn/v1")
    page.get_by_role("button", name="Delete this version").click()
    expect(page).to_have_url(f"{churn}/v2/")
    page.goto(f"{churn}/v1/")
    expect(page.get_by_text("churn/v1 does not exist")).to_be_visible()


def test_who_saves_grants_second_keeps_what_was_typed(churn: str, sign_in: SignIn) -> None:
    first, second = sign_in(), sign_in()
    for page, name in ((first, "rita"), (second, "bob")):
        page.goto(f"{churn}/v2/")
        page.locator("#access").get_by_label("Name").last.fill(name)
    first.get_by_role("button", name="Save access").click()
    expect(first.get_by_text("Saved who may call")).to_be_visible()
    second.get_by_role("button", name="Save access").click()
    expect(second.get_by_text("Somebody else changed the grants meanwhile")).to_be_visible()
    expect(second.locator("#access").get_by_label("Name").first).to_have_value("bob")


def test_a_pool_is_built_while_one_watches(churn: str, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto(f"{churn}/v2/")
    page.get_by_label("Shells to start with").fill("1")
    page.get_by_label("At most").fill("1")
    page.get_by_role("button", name="Give it a pool").click()
    expect(page.get_by_text("Ready on 1 of 1 node")).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Remove the pool").click()
    expect(page.get_by_text("No node keeps shells for it")).to_be_visible(timeout=WAIT)
