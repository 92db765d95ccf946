"""A tour of the console: every page that links lead to, as every role, light and dark, wide and
narrow.

Each page must be free of errors, of serious faults of accessibility and of text that does not fit.
The screenshots are kept in var/screenshots.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.contract.console_pages import all_pages
from tests.contract.document import nameless
from tests.e2e.browsing import sign_in
from tests.e2e.one_box import OneBox
from tests.e2e.populating import PASSWORD, populate
from tests.nodes.runtime.running import ROOT

pytestmark = pytest.mark.any_database

SCREENSHOTS = ROOT / "var/screenshots"
AXE = ROOT / "tests/node_modules/axe-core/axe.min.js"
ROLES = {"olga": "owner", "carol": "contributor", "rita": "reader"}
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
# What is no page: downloads, answers to scripts, and what leads out of the console.
NO_PAGES = ("csv", "download", "json", "logout", "csrf", "jsi18n", "report", "autocomplete")
# Pages that no link leads to: they are come to in another way.
WITHOUT_LINKS = {"csrf/", "signed-in/", "published/{}/{}/", "nodes/resume/"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneBox]:
    """A box of some months of use."""
    box = OneBox(tmp_path_factory.mktemp("box"))
    groups = {"MLOPS_OWNER_GROUPS": "chiefs", "MLOPS_CONTRIBUTOR_GROUPS": "scientists"}
    box.start(**groups, MLOPS_READER_GROUPS="dashboards", MLOPS_SHELL_ISOLATION="process")
    try:
        populate(box)
        yield box
    finally:
        box.stop()


@dataclass
class Tour:
    """The pages that were visited by their routes, and what is wrong with them."""

    folder: str
    addresses: dict[str, str] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def visit(self, page: Page, route: str, address: str) -> None:
        """Look at one page, and keep a picture of it."""
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, f"{address} ({answer.status}), linked to"
        page.evaluate("document.fonts.ready")
        page.screenshot(path=file_of(route, self.folder), full_page=True)
        self.addresses[route] = address
        if found := overflow(page) + faults(page):
            self.problems[route] = found


@pytest.fixture(scope="module")
def tours(box: OneBox, browser: Browser) -> dict[str, Tour]:
    """By user the tour that follows all links, each route once."""
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    made = {}
    for name, role in ROLES.items():
        with visiting(box, browser, name) as page:
            if name == "olga":
                begin_work(page, box.url)
            made[name] = Tour(f"{role}-light-wide")
            crawl(page, box.url, made[name])
    return made


def begin_work(page: Page, url: str) -> None:
    """What only a browser begins: a draft, tests of the configuration, a trace, an evaluation."""
    page.goto(f"{url}/console/publish/")
    page.get_by_role("button", name="Python").click()
    page.wait_for_url("**/publish/*-*/")
    for _ in range(2):
        page.goto(f"{url}/console/diagnostics/")
        page.get_by_role("button", name="Run the test").click()
        page.get_by_text("fail in").first.wait_for(timeout=60_000)
    page.goto(f"{url}/console/diagnostics/code/")
    page.get_by_role("button", name="Run and trace").click()
    page.wait_for_url("**/traces/**")
    page.goto(f"{url}/console/capacity/")
    page.get_by_label("Strategy").select_option("thread")
    for label, value in (("First step", "1"), ("Last step", "1"), ("Length of a step", "1")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("done", exact=True).first.wait_for(timeout=60_000)


@contextmanager
def visiting(
    box: OneBox, browser: Browser, name: str, *, theme: str = "light", size: str = "wide"
) -> Iterator[Page]:
    """A page of a browser in which `name` is signed in; nothing that it logs is an error."""
    width, height = SIZES[size]
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
    )
    said: list[str] = []
    page = context.new_page()
    page.on(
        "console",
        lambda each: (
            said.append(f"{each.text} {each.location.get('url')}") if each.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_in(page, box.url, name, PASSWORD)
    yield page
    assert said == []
    context.close()


def _line(message: ConsoleMessage) -> str:
    return f"{message.text} {message.location.get('url', '')}"


def route_of(address: str) -> str | None:
    """The route of a page of the console; None for all else."""
    path = urlsplit(address).path
    if not path.startswith("/console/") or any(each in path for each in NO_PAGES):
        return None
    try:
        return resolve(path).route
    except Resolver404:
        return None


def crawl(page: Page, url: str, tour: Tour) -> None:
    """Visit a page of each route that links lead to, all of which may be seen."""
    waiting = [f"{url}/console/"]
    while waiting:
        address = waiting.pop(0)
        route = route_of(address)
        if route is not None and route not in tour.addresses:
            tour.visit(page, route, address)
            waiting += page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")


def faults(page: Page) -> list[str]:
    """Serious faults of accessibility, each with an element that has it."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> list[str]:
    """What is wider than the page, so that one has to scroll sideways."""
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [f"{width} px wider than the window"] if width > 0 else []


def file_of(route: str, folder: str) -> Path:
    name = "".join(each if each.isalnum() else "-" for each in route.removeprefix("console/"))
    return SCREENSHOTS / folder / f"{name.strip('-') or 'dashboard'}.png"


@pytest.mark.parametrize("name", ROLES)
def test_every_page_is_well(tours: dict[str, Tour], name: str) -> None:
    assert tours[name].problems == {}, json.dumps(tours[name].problems, indent=2)


@pytest.mark.parametrize(
    ("name", "theme", "size"),
    [
        ("olga", "light", "narrow"),
        ("olga", "dark", "wide"),
        *((name, "dark", "narrow") for name in ROLES),
    ],
)
def test_every_page_is_well_in_the_dark_and_on_a_phone(
    box: OneBox, browser: Browser, tours: dict[str, Tour], name: str, theme: str, size: str
) -> None:
    tour = Tour(f"{ROLES[name]}-{theme}-{size}")
    with visiting(box, browser, name, theme=theme, size=size) as page:
        for route, address in tours[name].addresses.items():
            tour.visit(page, route, address)
    assert tour.problems == {}, json.dumps(tour.problems, indent=2)


def test_a_page_that_cannot_be_read_is_found_out(browser: Browser) -> None:
    """So that the tour cannot pass because it looks at nothing."""
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><p style='color: #eee'>pale</p><img src=x>")
    assert {each.partition(":")[0] for each in faults(page)} == {"color-contrast", "image-alt"}
    page.close()


def test_links_lead_an_owner_to_every_page(tours: dict[str, Tour]) -> None:
    """A page that nobody can find might as well not be there."""
    shown = {
        route for route, page in all_pages().items() if page.status == 200 and not page.is_data
    }
    reached = {nameless(route).removeprefix("console/") for route in tours["olga"].addresses}
    assert shown - WITHOUT_LINKS - reached == set()
