"""The console of a real box in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import sign_in
from tests.e2e.one_box import OneBox

pytestmark = pytest.mark.any_database


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_root_leads_to_the_sign_in_page(one_box: OneBox, page: Page) -> None:
    page.goto(one_box.url)
    expect(page).to_have_url(re.compile(r"/console/login/"))
    expect(page.locator("input[name=password]")).to_be_visible()


def test_a_wrong_password_is_refused_with_a_reason(one_box: OneBox, page: Page) -> None:
    page.goto(one_box.url)
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill("wrong")
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_text("The user name or the password is wrong.")).to_be_visible()


def test_the_administrator_sees_the_services_and_the_compute_node(
    one_box: OneBox, page: Page
) -> None:
    sign_in(page, one_box.url, "admin", one_box.admin_password)
    page.goto(f"{one_box.url}/console/services/service/")
    for name in ("iris", "bos-rf"):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
    page.goto(f"{one_box.url}/console/nodes/nodeentry/")
    expect(page.get_by_text(f"127.0.0.1:{one_box.compute_port}").first).to_be_visible()


PAGES = [
    "/console/services/service/",
    "/console/service/iris/1.0.0/",
    "/console/nodes/nodehealth/",
    "/console/nodes/nodeentry/",
    "/docs",
    "/services",
    "/services/iris/1.0.0",
]


def test_no_page_breaks_the_policy_that_it_is_sent_with(one_box: OneBox, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in(page, one_box.url, "admin", one_box.admin_password)
    for address in PAGES:
        page.goto(f"{one_box.url}{address}", wait_until="networkidle")
    no_icon = "the server responded with a status of 404"  # of pages of the API
    assert [text for text in said if no_icon not in text] == []


def test_the_scripts_of_pages_work_under_their_policy(one_box: OneBox, page: Page) -> None:
    sign_in(page, one_box.url, "admin", one_box.admin_password)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search and commands")).to_be_focused()
    page.goto(f"{one_box.url}/docs")
    expect(page.get_by_text("Publish R and Python code and models")).to_be_visible()


def test_an_injected_script_does_not_run(one_box: OneBox, page: Page) -> None:
    sign_in(page, one_box.url, "admin", one_box.admin_password)
    refused = page.evaluate("""() => new Promise(resolve => {
        document.addEventListener("securitypolicyviolation", event => resolve(event.blockedURI));
        const script = document.createElement("script");
        script.textContent = "window.injected = true";
        document.body.append(script);
    })""")
    assert refused == "inline"
    assert page.evaluate("window.injected") is None
