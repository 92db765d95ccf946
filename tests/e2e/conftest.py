"""The browser of the end-to-end tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browsing import chromium, sign_in
from tests.e2e.one_box import OneBox


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of a module."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, open_box: OneBox) -> Iterator[Page]:
    """A page on which the administrator of the module's own box has signed in."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, open_box.url, "admin", open_box.admin_password)
    yield page
    context.close()
