"""The lists of the console can be read by everybody with a role and changed by nobody."""

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from mlops.accounts.models import AuditEntry, RefreshToken, TokenFamily, User
from mlops.console.site import site
from nodes.models import NodeDrain, NodeEntry, NodeHealth, Session
from services.models import Batch, Service
from tests.mlops.console.browser import csrf_token, signed_in


def create_rows() -> list[Model]:
    now = timezone.now()
    return [
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
    tables = {AuditEntry, Batch, NodeEntry, NodeHealth, Service, Session, User}
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
            assert browser.post(address_of(row, page), form).status_code in (302, 403)
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
