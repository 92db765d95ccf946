"""The list of compute nodes on the console."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from nodes.models import NodeDrain, NodeEntry, NodeHealth, Session
from nodes.overview import known_nodes
from tests.mlops.console.browser import csrf_token, signed_in
from tests.nodes.test_dependents import create_health

LIST = "/console/nodes/nodehealth/"
A, B, C = (f"http://10.0.0.{n}:12805/" for n in (1, 2, 3))
PYTHON = {
    "available": True,
    "activeShellCount": 3,
    "currentPoolSize": 5,
    "maxPoolSize": 80,
    "canOpenShell": True,
}


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in("admin")


def text_of(browser: Client, address: str, **options: Any) -> str:
    response = browser.get(address, **options)
    assert response.status_code == 200, response
    return response.content.decode()


def addresses(page: str) -> list[str]:
    return re.findall(r'class="node-link"[^>]*>([^<]+)<', page)


def choose(browser: Client, action: str, *rows: NodeHealth | NodeEntry, path: str = LIST) -> str:
    """The page that asks before it is done."""
    token = csrf_token(browser.get(path))
    form = {"csrfmiddlewaretoken": token, "action": action}
    chosen = {"_selected_action": [str(row.pk) for row in rows]}
    response = browser.post(path, {**form, **chosen})
    assert response.status_code == 200, response
    return str(response.content.decode())


def confirm(browser: Client, verb: str, *entries: str) -> Any:
    token = csrf_token(browser.get(f"/console/nodes/{verb}/?entry={entries[0]}"))
    form = {"csrfmiddlewaretoken": token, "entry": list(entries), "confirmed": "yes"}
    return browser.post(f"/console/nodes/{verb}/", form)


def create_states() -> dict[str, NodeHealth]:
    """A node in each state."""
    now = timezone.now()
    rows = {
        "ready": create_health(A),
        "degraded": create_health(B, state="degraded", reason="R: not installed"),
        "down": create_health(C, state="down", reason="Connection refused"),
        "draining": create_health("http://10.0.1.7:12805/"),
        "unknown": create_health(
            "http://10.0.0.5:12805/", last_probe_at=now - timedelta(minutes=10)
        ),
    }
    NodeEntry.objects.bulk_create(NodeEntry(uri=row.address) for row in rows.values())
    NodeEntry.objects.create(uri="http://10.0.1.0-9:12805/")
    NodeDrain.objects.create(uri="http://10.0.1.0-9:12805/", by="olga")
    return rows


def test_each_node_shows_its_state_and_why(browser: Client) -> None:
    create_health(A, state="down", reason="It has never answered.")
    page = text_of(browser, LIST)
    assert '<span class="badge badge-danger">down</span>' in page
    assert "It has never answered." in page


def test_the_filter_finds_the_nodes_that_are_in_a_state_now(browser: Client) -> None:
    rows = create_states()
    states = {node.address: node.state.name for node in known_nodes(now=timezone.now())}
    for name, row in rows.items():
        assert states[row.address] == name
        assert addresses(text_of(browser, f"{LIST}?state={name}")) == [row.address.rstrip("/")]


def test_it_says_how_many_nodes_are_in_each_state(browser: Client) -> None:
    create_states()
    page = text_of(browser, LIST)
    for name in ("ready", "degraded", "draining", "down", "unknown"):
        assert re.search(rf'\?state={name}"><span class="badge[^>]*>{name}</span> 1<', page)


def test_a_page_that_is_open_gets_the_rows_alone(browser: Client) -> None:
    create_health(A)
    part = text_of(browser, LIST, headers={"HX-Request": "true"})
    assert "<html" not in part
    assert addresses(part) == [A.rstrip("/")]
    assert 'id="live-summary"' in part


def test_search_finds_addresses_and_reasons(browser: Client) -> None:
    create_states()
    assert addresses(text_of(browser, f"{LIST}?q=refused")) == [C.rstrip("/")]
    assert addresses(text_of(browser, f"{LIST}?q=10.0.1")) == ["http://10.0.1.7:12805"]


def test_a_thousand_nodes_take_as_many_statements_as_one(browser: Client) -> None:
    def n_statements() -> int:
        with CaptureQueriesContext(connection) as statements:
            text_of(browser, f"{LIST}?state=ready")
        return len(statements)

    create_health(A, report={"runtimes": {"Python": PYTHON}})
    before = n_statements()
    now = timezone.now()
    NodeHealth.objects.bulk_create(
        NodeHealth(
            address=f"http://10.1.{n // 250}.{n % 250}:12805/",
            state="ready",
            last_seen_at=now,
            last_probe_at=now,
            report={"runtimes": {"Python": PYTHON}, "loaded": [f"b{n}"]},
        )
        for n in range(1000)
    )
    NodeDrain.objects.bulk_create(
        NodeDrain(uri=f"http://10.1.3.{n}:12805/", by="olga") for n in range(200)
    )
    assert n_statements() == before


def test_the_csv_has_every_node_of_the_filter(browser: Client) -> None:
    create_states()
    content = b"".join(browser.get(f"{LIST}csv/?state=draining").streaming_content).decode()
    [row] = csv.DictReader(io.StringIO(content))
    assert (row["Address"], row["State"]) == ("http://10.0.1.7:12805/", "draining")
    assert row["Drained by"] == "olga"


@pytest.mark.parametrize("sort", range(1, 9))
def test_every_column_sorts(browser: Client, sort: int) -> None:
    create_states()
    assert len(addresses(text_of(browser, f"{LIST}?o={sort}"))) == 5


def test_what_hangs_on_a_node_is_shown_before_it_is_drained(browser: Client, alice: User) -> None:
    NodeEntry.objects.create(uri=A)
    row = create_health(A, report={"load": {"running": 2, "queued": 1}})
    Session.objects.create(owner=alice, runtime="Python", name="explore", node=A)
    page = choose(browser, "drain", row)
    for said in ("3 calls", "1 session", "explore", "alice", "No other compute node answers"):
        assert said in page
    assert not NodeDrain.objects.exists()


def test_many_are_drained_and_resumed_together(browser: Client) -> None:
    rows = create_states()
    chosen = [rows["ready"], rows["degraded"]]
    choose(browser, "drain", *chosen)
    assert confirm(browser, "drain", A, B)["Location"] == LIST
    assert set(NodeDrain.objects.values_list("uri", flat=True)) >= {A, B}
    assert AuditEntry.objects.latest("pk").action == "drain compute nodes"
    page = choose(browser, "resume", *chosen, rows["down"])
    assert "it is not drained" in page
    confirm(browser, "resume", A, B)
    assert NodeDrain.objects.count() == 1


def test_a_member_of_a_range_is_not_removed_alone(browser: Client) -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    page = choose(browser, "remove", create_health(A))
    assert "it is declared as part of http://10.0.0.1-9:12805/" in page
    assert 'name="confirmed"' not in page
    assert confirm(browser, "remove", A).status_code == 400
    assert NodeEntry.objects.count() == 1


def test_a_range_is_removed_as_an_entry_with_its_members_shown(
    browser: Client, alice: User
) -> None:
    entry = NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    create_health(A)
    Session.objects.create(owner=alice, runtime="R", node=A)
    page = choose(browser, "remove", entry, path="/console/nodes/nodeentry/")
    assert "1 session, lost with all that is in it" in page
    confirm(browser, "remove", entry.uri)
    assert not NodeEntry.objects.exists()


@pytest.mark.usefixtures("declared_groups")
def test_who_may_not_change_nodes_sees_no_control(rita: User) -> None:
    row = create_health(A)
    browser = signed_in("rita")
    page = text_of(browser, LIST)
    for control in ("Declare nodes", 'name="action"', 'class="action-select'):
        assert control not in page
    page = text_of(browser, f"/console/node/{row.pk}/")
    assert "/nodes/drain/" not in page


def test_the_entries_say_how_many_of_their_addresses_answer(browser: Client) -> None:
    NodeEntry.objects.create(uri="http://10.0.0.1-9:12805/")
    create_health(A)
    create_health(B, state="down")
    NodeDrain.objects.create(uri=A, by="olga")
    page = text_of(browser, "/console/nodes/nodeentry/")
    assert 'data-label="Answering">1<' in page
    assert "in part: http://10.0.0.1:12805/ by olga" in page
