"""Accounts, keys and the command palette, as people use them in a real browser."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import browsing
from tests.e2e.one_box import OneBox

pytestmark = pytest.mark.any_database

PASSWORD = "Nina-Comes-1n"
SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(one_box: OneBox, browser: Browser) -> Iterator[SignIn]:
    """Opens a browser window of somebody's own; what its pages complain of fails the test."""
    contexts = []
    said: list[str] = []

    def open_page(username: str, password: str) -> Page:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        browsing.sign_in(page, one_box.url, username, password)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def owner(sign_in: SignIn, one_box: OneBox) -> Page:
    return sign_in("admin", one_box.admin_password)


def status_with(box: OneBox, key: str) -> int:
    return httpx.get(f"{box.url}/services", headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_key_is_made_used_and_revoked(one_box: OneBox, owner: Page) -> None:
    address = f"{one_box.url}/console/account/"
    owner.goto(address)
    owner.get_by_text("Create an API key", exact=True).click()
    owner.get_by_label("Name").fill("from the browser")
    owner.get_by_role("button", name="Create the key").click()
    key = owner.locator("#new-key").inner_text()
    assert status_with(one_box, key) == 200
    assert key not in owner.url
    # Neither a reload nor the way back shows it again, or makes another one.
    owner.reload()
    expect(owner.get_by_role("button", name="Revoke the key from the browser")).to_have_count(1)
    expect(owner.locator("#new-key")).to_have_count(0)
    owner.goto(f"{one_box.url}/console/people/")
    owner.go_back()
    expect(owner.get_by_role("button", name="Revoke the key from the browser")).to_have_count(1)
    assert key not in owner.content()
    owner.get_by_role("button", name="Revoke the key from the browser").click()
    owner.get_by_role("button", name="Revoke the key").click()
    expect(owner.get_by_text("is revoked.")).to_be_visible()
    assert status_with(one_box, key) == 401


def test_an_account_is_made_and_its_sign_ins_are_ended(
    one_box: OneBox, owner: Page, sign_in: SignIn
) -> None:
    owner.goto(f"{one_box.url}/console/people/new/")
    owner.get_by_label("User name").fill("nina")
    owner.get_by_label("New password").fill(PASSWORD)
    owner.get_by_label("The same again").fill(PASSWORD)
    owner.get_by_role("button", name="Create the account").click()
    expect(owner.get_by_text("nina can sign in now.")).to_be_visible()
    account = owner.url
    nina = sign_in("nina", PASSWORD)
    # A Contributor finds no pages of Owners.
    nina.keyboard.press("Control+k")
    expect(nina.get_by_role("option", name="My account")).to_be_visible()
    expect(nina.get_by_role("option", name="People")).to_have_count(0)
    credentials = {"username": "nina", "password": PASSWORD}
    token = httpx.post(f"{one_box.url}/login", json=credentials).json()["access_token"]
    assert status_with(one_box, token) == 200
    owner.goto(account)
    expect(owner.get_by_text("Client with tokens")).to_be_visible()
    owner.get_by_role("button", name="End all sign-ins…").click()
    owner.get_by_role("button", name="End all sign-ins", exact=True).click()
    expect(owner.get_by_text("nina is signed out everywhere.")).to_be_visible()
    assert status_with(one_box, token) == 401
    nina.goto(f"{one_box.url}/console/account/")
    expect(nina.locator("input[name=password]")).to_be_visible()


def test_the_palette_is_worked_by_keyboard_alone(
    one_box: OneBox, owner: Page, sign_in: SignIn
) -> None:
    owner.goto(f"{one_box.url}/console/account/")
    owner.keyboard.press("Control+k")
    box = owner.get_by_role("combobox", name="Search and commands")
    expect(box).to_be_focused()
    expect(owner.get_by_role("option", name="People")).to_be_visible()
    owner.keyboard.type("service account")
    option = owner.get_by_role("option", name="Make a service account")
    expect(option).to_have_attribute("aria-selected", "true")
    active = box.get_attribute("aria-activedescendant")
    assert active is not None
    assert active == option.get_attribute("id")
    owner.keyboard.press("Escape")
    expect(box).not_to_be_visible()
    # Enter goes before the answer has come, too.
    owner.keyboard.press("Control+k")
    box.fill("")
    owner.keyboard.type("audit")
    owner.keyboard.press("Enter")
    expect(owner).to_have_url(re.compile("/auditentry/"))


def test_arrows_choose_among_what_is_found_and_themes_change(one_box: OneBox, owner: Page) -> None:
    owner.goto(f"{one_box.url}/console/account/")
    owner.get_by_role("button", name="Search").click()
    owner.keyboard.type("theme")
    expect(owner.get_by_role("option")).to_have_count(3)
    owner.keyboard.press("ArrowDown")
    expect(owner.get_by_role("option", name="Dark theme")).to_have_attribute(
        "aria-selected", "true"
    )
    owner.keyboard.press("ArrowUp")
    owner.keyboard.press("ArrowDown")
    owner.keyboard.press("Enter")
    expect(owner.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    owner.keyboard.press("Control+k")
    owner.keyboard.type("sign out")
    expect(owner.get_by_role("option", name="Sign out")).to_be_visible()
    owner.keyboard.press("Enter")
    expect(owner.locator("input[name=password]")).to_be_visible()


def test_menus_and_filters_are_worked_by_keyboard(one_box: OneBox, owner: Page) -> None:
    owner.goto(f"{one_box.url}/console/people/")
    owner.get_by_role("button", name="Filters").press("Enter")
    expect(owner.get_by_role("link", name="Contributor", exact=True)).to_be_visible()
    owner.keyboard.press("Escape")
    owner.get_by_role("button", name="admin").press(" ")
    owner.get_by_role("link", name="My account").press("Enter")
    expect(owner).to_have_url(re.compile("/console/account/"))
