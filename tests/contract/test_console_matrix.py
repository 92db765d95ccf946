"""Every list of the console asked by everybody; the other pages are in test_console_pages."""

import pytest
from django.test import Client
from pytest_django import Settings

from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role
from nodes.models import NodeEntry, NodeHealth, Session
from services.models import Batch, Service, Version
from tests.conftest import CONTRIBUTORS, PASSWORD, READERS, create_user
from tests.contract.console_pages import all_pages
from tests.contract.routes import CONSOLE, console_routes
from tests.contract.things import everything
from tests.mlops.console.browser import csrf_token, open_browser, signed_in
from tests.services.create import create_batch, create_version

OWNERS = "chiefs"
CAST = {
    "olga": (OWNERS, Role.OWNER),
    "carol": (CONTRIBUTORS, Role.CONTRIBUTOR),
    "rita": (READERS, Role.READER),
}
OUTSIDE = ("mallory", "")  # without a role, and nobody

# The lists, and the role that it takes to see them.
LISTS = {
    "nodes/nodehealth/": (NodeHealth, Role.READER),
    "nodes/nodeentry/": (NodeEntry, Role.READER),
    "services/service/": (Service, Role.READER),
    "accounts/auditentry/": (AuditEntry, Role.OWNER),
    "nodes/session/": (Session, Role.READER),
    "services/batch/": (Batch, Role.READER),
}
# The pages of a list, and what they answer to who may see it.
PAGES = {"": 200, "add/": 403, "{}/history/": 200, "{}/delete/": 403, "{}/change/": 200, "{}/": 302}
# Lists whose rows lead to pages of their own.
LEADING_ON = {"nodes/nodehealth/", "nodes/session/", "services/service/", "services/batch/"}
# Lists of what belongs to one user, here to alice: to others but Owners it is not there.
PERSONAL = {"nodes/session/", "services/batch/"}
# Lists to take away as CSV.
EXPORTED = {
    "accounts/auditentry/",
    "nodes/nodehealth/",
    "nodes/nodeentry/",
    "services/service/",
    *PERSONAL,
}
# The others, and what they answer to everybody with a role.
OTHERS = {
    "login/": 302,
    "login/provider": 404,  # people sign in with passwords here
    "login/provider/answer": 404,
    "logout/": 405,  # it is for POST
    "autocomplete/": 403,
    "jsi18n/": 200,
    "r/{}/{}/": 404,
    "^(?P{}accounts|nodes|services)/$": 200,
    "(?P{}.*)$": 404,
}
ADDRESSES = {"^(?P{}accounts|nodes|services)/$": "services/", "(?P{}.*)$": "no-such-page"}
# They change no table of the product; what they do is tested with signing in.
_SIGN_IN = {"login/", "login/provider", "login/provider/answer", "logout/"}


@pytest.fixture(autouse=True)
def everybody(db: None, settings: Settings) -> None:
    settings.ROLE_GROUPS = {"Owner": [OWNERS], "Contributor": [CONTRIBUTORS], "Reader": [READERS]}
    for name, (group, _) in CAST.items():
        create_user(name, group=group)
    create_user("mallory")
    alice = create_user("alice", group=CONTRIBUTORS)
    create_version(alice)
    create_batch(alice)
    Session.objects.create(owner=alice, runtime="R", node="http://10.0.0.1:12805/")
    entry = NodeEntry.objects.create(uri="http://10.0.0.1:12805/")
    NodeHealth.objects.create(address=entry.uri, last_probe_at=entry.created_at)


def status_of(path: str, page: str) -> int:
    """What a page of a list answers to who may see it."""
    if path in LEADING_ON and page in ("{}/change/", "{}/history/"):
        return 302
    return PAGES[page]


def pages(role: Role) -> dict[str, tuple[str, int]]:
    """The address of each route, and what it answers to somebody in this role."""
    of_lists = {
        f"{path}{page}": (
            f"{path}{page}".replace("{}", str(model._default_manager.earliest("pk").pk)),
            status_of(path, page) if role >= needed or page == "{}/" else 403,
        )
        for path, (model, needed) in LISTS.items()
        for page in PAGES
    }
    for path in EXPORTED:
        of_lists[f"{path}csv/"] = (f"{path}csv/", 200 if role >= LISTS[path][1] else 403)
    return of_lists | {
        path: (ADDRESSES.get(path, path.replace("{}", "1")), status)
        for path, status in OTHERS.items()
    }


def browser_of(name: str) -> Client:
    """The browser of somebody; one without a role has signed in when there still was one."""
    if name != "mallory":
        return signed_in(name) if name else open_browser()
    user = User.objects.get(username=name)
    user.groups.add(User.objects.get(username="rita").groups.get())
    browser = signed_in(name)
    user.groups.clear()
    return browser


def test_every_page_is_in_the_table() -> None:
    """A page that comes later is asked as well: say above who may see it."""
    lists, others = set(pages(Role.READER)), set(all_pages())
    assert not lists & others
    assert set(console_routes()) == lists | others


@pytest.mark.parametrize("name", CAST)
def test_each_role_gets_its_pages_and_changes_nothing_there(name: str) -> None:
    browser, (_, role) = browser_of(name), CAST[name]
    token = csrf_token(browser.get(f"{CONSOLE}services/service/"))
    before = everything()
    for path, (address, status) in pages(role).items():
        assert browser.get(CONSOLE + address).status_code == status, address
        if path not in _SIGN_IN:
            form = {"csrfmiddlewaretoken": token, "post": "yes", "_selected_action": "1"}
            browser.post(CONSOLE + address, {**form, "action": "delete_selected"})
    assert everything() == before


@pytest.mark.parametrize("name", OUTSIDE)
def test_nobody_else_gets_further_than_the_sign_in(name: str) -> None:
    browser = browser_of(name)
    before = everything()
    for path, (address, _) in pages(Role.READER).items():
        if path in _SIGN_IN:
            continue
        for response in (browser.get(CONSOLE + address), browser.post(CONSOLE + address)):
            assert response.status_code in (302, 403), address
            if response.status_code == 302:
                assert response.url.startswith(f"{CONSOLE}login/"), address
    assert everything() == before


@pytest.mark.parametrize("name", CAST)
def test_code_is_on_the_page_of_a_version_for_who_may_change_it(name: str) -> None:
    version = Version.objects.get()
    address = f"{CONSOLE}service/{version.name}/{version.version}/"
    for publisher in ("alice", name):
        Version.objects.update(published_by=publisher)
        page = signed_in(name).get(address).content.decode()
        role = CAST[name][1]
        may = role == Role.OWNER or (role == Role.CONTRIBUTOR and publisher == name)
        assert ("answer = x + 1" in page) is may


def test_who_has_no_role_cannot_sign_in() -> None:
    browser = open_browser()
    token = csrf_token(browser.get(f"{CONSOLE}login/"))
    form = {"username": "mallory", "password": PASSWORD, "csrfmiddlewaretoken": token}
    response = browser.post(f"{CONSOLE}login/", form)
    assert response.status_code == 200
    assert "_auth_user_id" not in browser.session
