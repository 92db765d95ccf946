"""The pages of diagnostics and capacity evaluation, with jobs run as the worker runs them."""

from typing import Any

import pytest
from django.test import Client

from mlops.accounts.models import AuditEntry, User
from mlops.jobs import running
from mlops.jobs.models import LOST, Job, JobState
from nodes.stopwatch import STAGES
from services import run_jobs
from services.capacity.options import Options
from services.capacity.samples import Samples
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_version

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIVE = {"HX-Request": "true"}


@pytest.fixture
def browser(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def measured(*latencies: float) -> dict[str, Any]:
    """A report of a capacity evaluation, a step for each latency."""
    steps = []
    for index, latency in enumerate(latencies):
        samples = Samples()
        samples.add(1.0, latency, dict.fromkeys(STAGES, latency / 5))
        steps.append(samples.report(10 * (index + 1), 1, 0))
    options = Options("thread").as_json()
    return {
        "service": "churn/v1",
        "endpoint": "http://web",
        "startedAt": "2026-11-22T09:30:00+00:00",
        "options": options,
        "overhead": 0.1,
        "steps": steps,
        "stopped": "Enough.",
    }


def job(admin: User, kind: str, **values: Any) -> Job:
    given = {"options": Options("thread").as_json()} if kind == "capacity" else {}
    return Job.objects.create(kind=kind, owner=admin, **{"arguments": given, **values})


def test_a_test_is_started_watched_and_kept(
    browser: Client, declared_node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.post("/console/diagnostics/")
    started = Job.objects.get()
    assert page["Location"] == f"/console/diagnostics/runs/{started.pk}/"
    assert b"waiting" in browser.get(page["Location"], headers=LIVE).content
    assert AuditEntry.objects.filter(action="start diagnostics").exists()
    findings = [
        {"component": "disk", "outcome": "PASS", "message": "x", "advice": "", "elapsed": 1.0},
        {"component": "web node", "outcome": "FAIL", "message": "y", "advice": "z", "elapsed": 1.0},
    ]
    result = {
        "outcome": "FAIL",
        "findings": findings,
        "totals": {"PASS": 1, "WARN": 0, "FAIL": 1},
        "elapsed": 2.0,
    }
    Job.objects.update(state=JobState.DONE, result=result)
    live = browser.get(page["Location"], headers=LIVE)
    assert live["HX-Refresh"] == "true"
    text = live.content.decode()
    assert text.index("web node") < text.index("disk")  # what fails comes first
    assert "1 fail" in browser.get("/console/diagnostics/").content.decode()


def test_a_run_whose_worker_was_lost_says_so(browser: Client, admin: User) -> None:
    lost = job(admin, "capacity", state=JobState.FAILED, error=LOST)
    assert LOST in browser.get(f"/console/capacity/{lost.pk}/").content.decode()
    assert LOST in browser.get("/console/capacity/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_code_is_traced_as_a_waterfall(browser: Client, declared_node: RunningNode) -> None:
    form = {"runtime": "Python", "code": "print('ahoy')\r\n"}
    page = browser.post("/console/diagnostics/code/", form)["Location"]
    assert "under way" in browser.get(page).content.decode()
    running.run(Job.objects.get().pk)
    text = browser.get(page).content.decode()
    assert "ahoy" in text
    assert "Create a shell, for a session" in text
    assert text.count("<rect") == 4
    assert "print(&#x27;ahoy&#x27;)" in browser.get("/console/diagnostics/code/").content.decode()


def test_code_and_language_must_be_given(browser: Client) -> None:
    page = browser.post("/console/diagnostics/code/", {"runtime": "COBOL", "code": "x"})
    assert page.status_code == 400
    assert not Job.objects.exists()


def test_a_service_comes_with_an_example_of_its_inputs(browser: Client, admin: User) -> None:
    from services.schema import Parameter

    create_version(admin, inputs=[Parameter("x", "numeric")])
    page = browser.get("/console/diagnostics/service/?service=churn/v1").content.decode()
    assert "&quot;x&quot;: 1.5" in page
    assert browser.get("/console/capacity/?service=churn/v1").content.decode().count("churn/v1") > 1


@pytest.mark.parametrize("form", [{"service": "churn"}, {"service": ""}])
def test_a_service_must_be_named_with_its_version(browser: Client, form: dict[str, str]) -> None:
    assert browser.post("/console/diagnostics/service/", form).status_code == 400
    assert not Job.objects.exists()


def test_options_that_cannot_be_right_are_shown_at_their_field(browser: Client) -> None:
    form = {**{k: str(v) for k, v in Options("thread").as_json().items()}, "seconds": "soon"}
    page = browser.post("/console/capacity/", form)
    assert page.status_code == 400
    assert "is no number" in page.content.decode()
    assert 'aria-invalid="true"' in page.content.decode()
    assert not Job.objects.exists()


def test_an_evaluation_runs_as_a_job_and_shows_how_far_it_is(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    def evaluate(*, on_progress: Any, is_cancelled: Any, **_: Any) -> dict[str, Any]:
        on_progress({**measured(5.0), "latest": 5.0})
        running_job = Job.objects.get()
        shown.append(browser.get(f"/console/capacity/{running_job.pk}/", headers=LIVE))
        assert not is_cancelled()
        return measured(5.0, 7.0)

    monkeypatch.setattr(run_jobs, "evaluate", evaluate)
    form = {k: str(v) for k, v in Options("thread").as_json().items()}
    page = browser.post("/console/capacity/", form)["Location"]
    running.run(Job.objects.get().pk)
    assert "10 threads: average latency is" in shown[0].content.decode()
    text = browser.get(page).content.decode()
    assert "<h2>10 threads</h2>" in text
    assert "<h2>20 threads</h2>" in text
    assert "Compute Node Request" in text
    assert "points" not in str(Job.objects.get().progress)


def test_a_report_is_downloaded_and_two_are_compared(browser: Client, admin: User) -> None:
    runs = []
    for factor in (1, 2):
        report = measured(5.0 * factor, 7.0 * factor)
        runs.append(job(admin, "capacity", state=JobState.DONE, result=report, progress=report))
    file = browser.get(f"/console/capacity/{runs[0].pk}/report/")
    assert file["Content-Disposition"].endswith('filename="perf-run-2026-11-22-093000.html"')
    query = f"?run={runs[1].pk}&run={runs[0].pk}"
    page = browser.get(f"/console/capacity/compare/{query}").content.decode()
    assert "20 threads" in page
    assert "2.00" in page  # the later one is B, and twice as slow
    assert browser.get(f"/console/capacity/compare/?run={runs[0].pk}").status_code == 400
    assert browser.get("/console/capacity/compare/?run=a&run=b").status_code == 404


def test_a_run_is_cancelled(browser: Client, admin: User) -> None:
    waiting = job(admin, "capacity")
    browser.post(f"/console/capacity/{waiting.pk}/cancel/")
    waiting.refresh_from_db()
    assert waiting.state == JobState.CANCELLED
    assert AuditEntry.objects.filter(action="cancel run").exists()


def test_lists_take_few_queries_however_many_runs(
    browser: Client, admin: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        job(admin, "capacity", state=JobState.DONE, progress=measured(1.0))
    with django_assert_max_num_queries(12):
        browser.get("/console/capacity/")
