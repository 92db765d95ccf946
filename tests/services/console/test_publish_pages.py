"""The Publish page as its script and its reader see it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mlops.accounts.models import User
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services.actions.set_grants import set_grants
from services.drafts.content import blank
from services.grants import CONSUME, USER, Grant
from services.models import Draft, Version
from tests.services.create import create_version
from tests.services.drafts.writing import written
from tests.services.staging import staged

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISH = "/console/publish/"


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def ask(browser: Client) -> Callable[..., HttpResponse]:
    """Posts JSON as the page's script does."""

    def post(address: str, **body: Any) -> HttpResponse:
        return browser.post(
            address, body, content_type="application/json", headers={"X-Console": "1"}
        )

    return post


def of(draft: Draft, page: str) -> str:
    return f"{PUBLISH}{draft.pk}/{page}"


def test_choosing_a_kind_begins_a_draft(alice: User, browser: Client) -> None:
    answer = browser.post(PUBLISH, {"kind": "R"})
    draft = Draft.objects.get(owner=alice)
    assert answer["Location"] == of(draft, "")
    page = browser.get(answer["Location"]).content.decode()
    assert "Publish R code" in page


def test_a_kind_that_there_is_not_is_refused(browser: Client) -> None:
    assert browser.post(PUBLISH, {"kind": "Cobol"}).status_code == 400
    assert not Draft.objects.exists()


def test_drafts_are_offered_to_go_on_with(alice: User, browser: Client) -> None:
    written(alice, name="<churn>")
    page = browser.get(PUBLISH).content.decode()
    assert "&lt;churn&gt; 1.0" in page


def test_saving_counts_on(alice: User, ask: Callable[..., HttpResponse]) -> None:
    draft = written(alice)
    answer = ask(of(draft, "save/"), revision=1, content={**draft.content, "name": "other"})
    assert answer.json() == {"revision": 2}


def test_a_stale_tab_gets_what_the_other_one_saved(
    alice: User, ask: Callable[..., HttpResponse]
) -> None:
    draft = written(alice)
    answer = ask(of(draft, "save/"), revision=0, content=blank("R"))
    assert answer.status_code == 409
    assert answer.json()["problem"]["content"] == draft.content
    for page in ("run/", "publish/"):
        assert ask(of(draft, page), revision=0, inputs={}).status_code == 409
    assert not Version.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"revision": "1", "content": {}}'])
def test_what_is_no_draft_is_refused(alice: User, browser: Client, body: str) -> None:
    draft = written(alice)
    answer = browser.post(of(draft, "save/"), body, content_type="application/json")
    assert answer.status_code == 400
    assert "problem" in answer.json()


def test_names_are_judged_while_they_are_typed(alice: User, bob: User, browser: Client) -> None:
    create_version(bob, version="1.0")
    set_grants(user=bob, name="churn", grants=[Grant(CONSUME, USER, "alice")])
    said = browser.get(f"{PUBLISH}names/?name=churn&version=1.0").json()
    assert (said["versions"], said["suggestion"], said["field"]) == (["1.0"], "1.1", "version")
    assert said["grants"] == {"mayGovern": False, "grants": [], "revision": "", "exists": True}


def test_a_sample_becomes_parameters(ask: Callable[..., HttpResponse]) -> None:
    said = ask(f"{PUBLISH}sample/", sample='{"x": 1.5}').json()
    assert said["inputs"] == [{"name": "x", "type": "numeric"}]
    assert ask(f"{PUBLISH}sample/", sample="{").status_code == 400


def test_code_is_published_at_once(alice: User, ask: Callable[..., HttpResponse]) -> None:
    draft = written(alice)
    said = ask(of(draft, "publish/"), revision=1).json()
    assert said == {"state": "done", "location": "/console/published/churn/1.0/"}
    assert ask(of(draft, "publish/"), revision=1).json() == said
    assert Version.objects.count() == 1


def test_files_are_published_by_a_job_whoever_watches(
    alice: User, browser: Client, ask: Callable[..., HttpResponse]
) -> None:
    draft = written(alice, files=[asdict(staged(alice, "a.txt", b"1"))])
    assert ask(of(draft, "publish/"), revision=1).json() == {"state": "running"}
    assert ask(of(draft, "publish/"), revision=1).json()["state"] == "running"
    assert browser.get(of(draft, "publish/")).json()["state"] == "running"
    running.run(Job.objects.get().pk)  # the only one
    said = browser.get(of(draft, "publish/")).json()
    assert said == {"state": "done", "location": "/console/published/churn/1.0/"}
    assert browser.get(of(draft, ""))["Location"] == said["location"]


def test_a_worker_that_is_lost_can_be_asked_again(
    alice: User, browser: Client, ask: Callable[..., HttpResponse]
) -> None:
    draft = written(alice, files=[asdict(staged(alice, "a.txt", b"1"))])
    ask(of(draft, "publish/"), revision=1)
    Job.objects.update(state=JobState.FAILED, error="The worker was lost.")
    said = browser.get(of(draft, "publish/")).json()
    assert (said["state"], said["problem"]["message"]) == ("failed", "The worker was lost.")
    assert ask(of(draft, "publish/"), revision=1).json() == {"state": "running"}


def test_what_is_refused_is_said_at_its_field(
    alice: User, ask: Callable[..., HttpResponse]
) -> None:
    create_version(alice, version="1.0")
    said = ask(of(written(alice), "publish/"), revision=1).json()
    assert (said["state"], said["problem"]["field"]) == ("failed", "version")


def test_a_test_run_is_followed_and_stopped_by_its_owner_alone(
    alice: User, bob: User, browser: Client, ask: Callable[..., HttpResponse]
) -> None:
    job = ask(of(written(alice), "run/"), revision=1, inputs={"x": 1}).json()["job"]
    address = f"{PUBLISH}job/?job={job}"
    other = Client()
    other.force_login(bob)
    assert other.get(address).status_code == 404
    assert browser.get(address).json() == {"state": "running", "text": "Waiting for a worker"}
    assert ask(f"{PUBLISH}job/", job=job).json()["state"] == "failed"
    assert Job.objects.get().state == JobState.CANCELLED


def test_the_page_after_publishing_has_calls_with_the_example(
    alice: User, browser: Client, ask: Callable[..., HttpResponse]
) -> None:
    ask(of(written(alice, example={"x": 42.5}), "publish/"), revision=1)
    page = browser.get("/console/published/churn/1.0/").content.decode()
    assert "http://testserver/api/churn/1.0" in page
    assert page.count("42.5") == 3
    assert "Everybody with a role" in page


def test_a_new_version_starts_from_one(alice: User, browser: Client) -> None:
    create_version(alice, version="1.0", description="first")
    assert "stays as it is" in browser.get(f"{PUBLISH}?from=churn/1.0").content.decode()
    browser.post(f"{PUBLISH}?from=churn/1.0")
    content = Draft.objects.get().content
    assert (content["version"], content["description"]) == ("1.1", "first")


def test_a_version_of_others_cannot_be_started_from(bob: User, browser: Client) -> None:
    create_version(bob)
    for address in (f"{PUBLISH}?from=churn/v1", "/console/edit/churn/v1/"):
        assert browser.get(address).status_code == 403
        assert browser.post(address).status_code == 403
    assert not Draft.objects.exists()


def test_a_version_is_changed_with_a_draft_of_its_own(alice: User, browser: Client) -> None:
    create_version(alice)
    assert "at once" in browser.get("/console/edit/churn/v1/").content.decode()
    answer = browser.post("/console/edit/churn/v1/")
    page = browser.get(answer["Location"]).content.decode()
    assert "Change churn/v1" in page
    state = json.loads(page.split('id="draft-state" type="application/json">')[1].split("<")[0])
    assert (state["isEdit"], state["content"]["code"]) == (True, "answer = x + 1")


def test_a_draft_is_discarded(alice: User, browser: Client) -> None:
    draft = written(alice)
    assert browser.post(of(draft, "discard/"))["Location"] == PUBLISH
    assert not Draft.objects.exists()
