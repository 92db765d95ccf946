"""Sessions on the console."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.jobs import running
from mlops.jobs.models import Job
from nodes.models import NodeEntry, Session
from tests.mlops.console.browser import csrf_token, signed_in
from tests.nodes.console.test_node_list import A, text_of
from tests.nodes.test_dependents import create_health
from tests.ports import free_port

LIST, END = "/console/nodes/session/", "/console/sessions/end/"


def create_session(owner: User, name: str = "", node: str = A) -> Session:
    return Session.objects.create(owner=owner, runtime="Python", name=name, node=node)


def names(page: str) -> list[str]:
    return re.findall(r'<span class="cell">([^<]+)<br>', page)


def end(browser: Client, *sessions: Session) -> Any:
    token = csrf_token(browser.get(LIST))
    form = {"csrfmiddlewaretoken": token, "confirmed": "yes"}
    return browser.post(END, {**form, "session": [str(session.pk) for session in sessions]})


def run_jobs() -> None:
    for job_id in Job.objects.values_list("pk", flat=True):
        running.run(job_id)


def test_everybody_sees_the_own_sessions_and_owners_all(
    alice: User, bob: User, admin: User
) -> None:
    create_session(alice, "hers")
    create_session(bob, "his")
    assert names(text_of(signed_in("alice"), LIST)) == ["hers"]
    assert sorted(names(text_of(signed_in("admin"), LIST))) == ["hers", "his"]


def test_nobody_finds_anothers_session_by_searching(alice: User, bob: User) -> None:
    session = create_session(alice, "hers")
    assert names(text_of(signed_in("bob"), f"{LIST}?q={session.pk}")) == []
    assert names(text_of(signed_in("alice"), f"{LIST}?q={session.pk}")) == ["hers"]


def test_a_session_is_busy_when_its_node_said_so(alice: User) -> None:
    busy, _ = create_session(alice, "busy one"), create_session(alice, "idle one")
    create_health(A, report={"busySessions": [str(busy.pk)]})
    create_session(alice, "lost one", "http://10.0.0.9:12805/")
    page = text_of(signed_in("alice"), LIST)
    for state in ("busy", "idle", "unknown"):
        assert len(re.findall(rf'badge-\w+">{state}</span>', page)) == 1


def test_a_session_that_its_node_holds_no_more_is_lost(alice: User) -> None:
    lost = create_session(alice, "lost one")
    Session.objects.update(created_at=timezone.now() - timedelta(hours=1))
    fresh = create_session(alice, "fresh one")
    create_health(A, report={"sessions": 0, "sessionIds": []})
    page = text_of(signed_in("alice"), LIST)
    assert len(re.findall(r'badge-danger">lost</span>', page)) == 1
    assert len(re.findall(r'badge-success">idle</span>', page)) == 1
    assert str(lost.pk) in page
    assert str(fresh.pk) in page


def test_many_sessions_take_as_many_statements_as_one(alice: User) -> None:
    def n_statements() -> int:
        with CaptureQueriesContext(connection) as statements:
            text_of(browser, LIST)
        return len(statements)

    browser = signed_in("alice")
    create_session(alice)
    before = n_statements()
    for n in range(40):
        create_session(alice, node=f"http://10.0.1.{n}:12805/")
    assert n_statements() == before


@pytest.mark.django_db(transaction=True)
def test_sessions_are_ended_by_a_worker_and_noted(alice: User) -> None:
    address = f"http://127.0.0.1:{free_port()}/"  # nothing listens: they are lost
    NodeEntry.objects.create(uri=address)
    sessions = [create_session(alice, node=address) for _ in range(2)]
    browser = signed_in("alice")
    assert end(browser, *sessions)["Location"] == LIST
    assert "Ending sessions: 0 of 2" in text_of(browser, LIST)
    run_jobs()
    assert not Session.objects.exists()
    assert AuditEntry.objects.filter(action="close session", username="alice").count() == 2
    assert "Ending sessions" not in text_of(browser, LIST)


@pytest.mark.django_db(transaction=True)
def test_nobody_ends_anothers_session(alice: User, bob: User) -> None:
    session = create_session(alice)
    assert end(signed_in("bob"), session).status_code == 400
    job = running.start("end sessions", user=bob, arguments={"session_ids": [str(session.pk)]})
    running.run(job.pk)
    assert Session.objects.exists()


def test_what_would_be_ended_is_shown_first(alice: User) -> None:
    session = create_session(alice, "explore")
    page = text_of(signed_in("alice"), f"{END}?session={session.pk}&session=nonsense")
    assert "explore" in page
    assert "are lost" in page
    assert Session.objects.exists()


def test_an_empty_list_says_how_a_session_comes_about(alice: User) -> None:
    assert "curl -X POST http://testserver/sessions" in text_of(signed_in("alice"), LIST)
