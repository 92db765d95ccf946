"""The lists of the console can be read by everybody with a role and changed by nobody."""

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mlops.accounts.models import AuditEntry, RefreshToken, TokenFamily, User
from mlops.console.site import site
from nodes.models import NodeDrain, NodeEntry, NodeHealth, Session
from services.models import Batch, Service, Version
from tests.conftest import READERS
from tests.mlops.console.browser import csrf_token, signed_in

CODE = "secret_recipe = 42"
INIT = "secret_start = 1"


def create_version(service: str = "churn", **fields: object) -> Version:
    values: dict[str, object] = {
        "version": "1.0",
        "published_by": "alice",
        "runtime_type": "Python",
        "code": CODE,
        "init_code": INIT,
        "description": "Who will leave",
        "bundle_id": "0" * 64,
        "input_parameters": [{"name": "age", "type": "integer"}],
        "output_parameters": [{"name": "leaves", "type": "logical"}],
    }
    row, _ = Service.objects.get_or_create(name=service)
    return Version.objects.create(service=row, **(values | fields))


def create_rows() -> list[Model]:
    now = timezone.now()
    return [
        create_version(),
        NodeEntry.objects.create(uri="http://10.0.0.1-2:12805/"),
        NodeHealth.objects.create(
            address="http://10.0.0.1:12805/", last_probe_at=now, last_seen_at=now
        ),
    ]


def address_of(row: Model, page: str = "") -> str:
    return f"/console/{row._meta.app_label}/{row._meta.model_name}/{page}"


def text_of(browser: Client, address: str) -> str:
    response = browser.get(address, follow=True)
    assert response.status_code == 200, address
    return response.content.decode()


def test_only_these_tables_are_on_the_console() -> None:
    tables = {AuditEntry, Batch, NodeEntry, NodeHealth, Session, User, Version}
    assert set(site._registry) == tables
    assert not {TokenFamily, RefreshToken} & set(site._registry)


@pytest.mark.parametrize("name", ["admin", "alice", "rita"])
def test_nobody_can_add_change_or_delete(admin: User, alice: User, rita: User, name: str) -> None:
    rows = create_rows()
    browser = signed_in(name)
    token = csrf_token(browser.get(address_of(rows[0])))
    before = [list(type(row).objects.values()) for row in rows]
    for row in rows:
        assert browser.get(address_of(row, "add/")).status_code == 403
        for page in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
            form = {"csrfmiddlewaretoken": token, "code": "x", "uri": "x", "post": "yes"}
            assert browser.post(address_of(row, page), form).status_code == 403
        form = {"csrfmiddlewaretoken": token, "action": "delete_selected", "post": "yes"}
        browser.post(address_of(row), form | {"_selected_action": str(row.pk)})
    assert [list(type(row).objects.values()) for row in rows] == before


@pytest.mark.parametrize("name", ["admin", "alice", "rita"])
def test_no_control_shows_that_would_change_something(
    admin: User, alice: User, rita: User, name: str
) -> None:
    browser = signed_in(name)
    for row in create_rows():
        for page in (address_of(row), address_of(row, f"{row.pk}/change/")):
            text = text_of(browser, page)
            assert "/add/" not in text
            assert "/delete/" not in text
            assert 'name="_save"' not in text


class TestServices:
    """The list of services."""

    def test_it_shows_each_version(self, rita: User) -> None:
        create_version()
        text = text_of(signed_in("rita"), "/console/services/version/")
        for shown in ("churn", "1.0", "Python", "alice", "Who will leave", "<time datetime="):
            assert shown in text

    def test_hostile_text_stays_text(self, rita: User) -> None:
        row = create_version(description="<script>alert(1)</script>", code="</pre><b>x")
        browser = signed_in("rita")
        pages = ["/console/services/version/", address_of(row, f"{row.pk}/change/")]
        for page in pages:
            assert "<script>alert(1)" not in text_of(browser, page)

    @pytest.mark.parametrize("word", ["chu", "1.0", "alice", "leave"])
    def test_search_finds_name_version_publisher_and_description(
        self, rita: User, word: str
    ) -> None:
        create_version()
        create_version("other", version="2", published_by="bob", description="Else")
        text = text_of(signed_in("rita"), f"/console/services/version/?q={word}")
        assert "Who will leave" in text
        assert "Else" not in text

    def test_search_does_not_look_into_code(self, rita: User) -> None:
        create_version()
        text = text_of(signed_in("rita"), "/console/services/version/?q=secret_recipe")
        assert "Nothing matches" in text

    def test_it_filters_by_type(self, rita: User) -> None:
        create_version()
        create_version("bos-rf", runtime_type="R", description="House prices")
        text = text_of(signed_in("rita"), "/console/services/version/?runtime_type__exact=R")
        assert "House prices" in text
        assert "Who will leave" not in text

    @pytest.mark.parametrize("name", ["rita", "bob", "admin"])
    @pytest.mark.parametrize(
        "lookup",
        [
            "code",
            "code__exact",
            "code__startswith",
            "init_code__contains",
            "bundle_id__startswith",
            "payload__digest__startswith",
            "service__versions__code__startswith",
        ],
    )
    def test_the_address_cannot_probe_what_the_list_does_not_offer(
        self, admin: User, bob: User, rita: User, name: str, lookup: str
    ) -> None:
        create_version()
        browser = signed_in(name)
        response = browser.get("/console/services/version/", {lookup: "secret"})
        assert response.status_code == 400

    @pytest.mark.parametrize("name", ["alice", "admin"])
    def test_its_publisher_and_an_owner_see_the_code(
        self, alice: User, admin: User, name: str
    ) -> None:
        row = create_version()
        text = text_of(signed_in(name), address_of(row, f"{row.pk}/change/"))
        assert CODE in text
        assert INIT in text

    @pytest.mark.parametrize("name", ["bob", "rita"])
    def test_others_do_not(self, bob: User, rita: User, name: str) -> None:
        row = create_version()
        text = text_of(signed_in(name), address_of(row, f"{row.pk}/change/"))
        assert "secret_" not in text
        assert "age" in text

    def test_a_publisher_who_became_a_reader_does_not(self, rita: User) -> None:
        row = create_version(published_by="rita")
        text = text_of(signed_in("rita"), address_of(row, f"{row.pk}/change/"))
        assert "secret_" not in text

    def test_a_realtime_version_has_no_code_to_show(self, admin: User) -> None:
        row = create_version(runtime_type="Realtime", code=None, init_code=None, description=None)
        text = text_of(signed_in("admin"), address_of(row, f"{row.pk}/change/"))
        assert "Init code" not in text

    def test_the_list_takes_the_same_queries_for_one_and_for_many(
        self, admin: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        browser = signed_in("admin")
        create_version()
        with CaptureQueriesContext(connection) as for_one:
            browser.get("/console/services/version/")
        for number in range(10):
            create_version(f"service-{number}")
        with django_assert_num_queries(len(for_one)):
            browser.get("/console/services/version/")

    def test_an_empty_list_says_what_to_do(self, rita: User) -> None:
        text = text_of(signed_in("rita"), "/console/services/version/")
        assert "manage.py publish" in text


class TestNodes:
    """The lists of compute nodes."""

    def test_health_shows_state_and_reason(self, rita: User) -> None:
        now = timezone.now()
        NodeHealth.objects.create(
            address="http://10.0.0.1:12805/",
            last_probe_at=now,
            state="down",
            reason="Connection refused",
        )
        NodeDrain.objects.create(uri="http://10.0.0.2:12805/", by="admin")
        report = {"version": "0.0.1", "runtimes": {}}
        NodeHealth.objects.create(
            address="http://10.0.0.2:12805/", last_probe_at=now, state="ready", report=report
        )
        text = text_of(signed_in("rita"), "/console/nodes/nodehealth/")
        assert "http://10.0.0.1:12805" in text
        assert "down" in text
        assert "Connection refused" in text
        assert "draining" in text
        assert "It runs version 0.0.1" in text

    def test_health_shows_the_shells_of_a_node_that_answers(self, rita: User) -> None:
        now = timezone.now()
        pool = {"available": True, "activeShellCount": 3, "currentPoolSize": 5}
        NodeHealth.objects.create(
            address="http://10.0.0.1:12805/",
            last_probe_at=now,
            last_seen_at=now,
            report={"runtimes": {"Python": pool | {"maxPoolSize": 80, "canOpenShell": True}}},
        )
        assert "3 of 5 busy" in text_of(signed_in("rita"), "/console/nodes/nodehealth/")

    def test_declared_entries_show_how_many_of_their_addresses_answer(self, rita: User) -> None:
        create_rows()
        text = text_of(signed_in("rita"), "/console/nodes/nodeentry/")
        assert "http://10.0.0.1-2:12805/" in text
        assert 'data-label="Addresses">2<' in text
        assert 'data-label="Answering">1<' in text

    def test_a_declared_entry_shows_what_it_stands_for(self, rita: User) -> None:
        row = NodeEntry.objects.create(uri="http://10.0.0-255.1:12805/")
        text = text_of(signed_in("rita"), address_of(row, f"{row.pk}/change/"))
        assert "http://10.0.19.1:12805/" in text
        assert "and 236 more" in text

    def test_empty_lists_say_what_to_do(self, rita: User) -> None:
        browser = signed_in("rita")
        for page in ("nodehealth", "nodeentry"):
            assert "make run" in text_of(browser, f"/console/nodes/{page}/")


def test_a_service_that_is_not_granted_is_not_there(alice: User, bob: User, rita: User) -> None:
    row = create_version()
    Service.objects.update(grants=[{"right": "consume", "kind": "group", "name": READERS.upper()}])
    page = address_of(row, f"{row.pk}/change/")
    assert "churn" not in text_of(signed_in("bob"), address_of(row))
    assert signed_in("bob").get(page).status_code == 302
    assert "churn" in text_of(signed_in("rita"), address_of(row))
    assert "Who may consume it" not in text_of(signed_in("rita"), page)
    assert f"group {READERS.upper()}" in text_of(signed_in("alice"), page)
