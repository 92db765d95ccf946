from typing import Any

import pytest

from mlops.accounts.models import User
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services import jobs
from services.inference import Proposal
from services.inference.proposal import definition_as_json
from services.models import Version
from services.schema import Definition, Parameter
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode
from tests.services.staging import stage

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_nudge", lambda job_id: None)


def run(user: User, kind: str, **arguments: Any) -> Job:
    job = running.start(kind, user=user, arguments=arguments)
    running.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_file_is_looked_into_and_published(alice: User, declared_node: RunningNode) -> None:
    upload = stage(alice, "adding.onnx", adding(2.0))
    found = run(alice, jobs.INSPECT, uploads=[str(upload.pk)])
    assert found.state == JobState.DONE, found.error
    proposal = Proposal.of(found.result)
    files = [{"name": each.name, "upload": each.upload} for each in proposal.files]
    definition = definition_as_json(proposal.definition)

    tried = run(alice, jobs.TEST_RUN, definition=definition, files=files, inputs=proposal.example)
    assert tried.result["outputs"] == {"outputData": {"y": [2.0]}}

    done = run(alice, jobs.PUBLISH, name="adding", version="", definition=definition, files=files)
    assert done.result == {"name": "adding", "version": Version.objects.get().version}


def test_pasted_text_is_looked_into(alice: User) -> None:
    found = run(alice, jobs.INSPECT, text="a,b\n1,x")
    assert found.result["title"] == "1 row of 2 columns"


def test_somebody_elses_upload_is_unknown(alice: User, bob: User) -> None:
    upload = stage(alice, "rows.csv", b"a\n1")
    found = run(bob, jobs.INSPECT, uploads=[str(upload.pk)])
    assert (found.state, found.result) == (JobState.FAILED, None)
    assert "no such upload" in found.error


def test_an_error_of_the_code_is_a_result(alice: User, declared_node: RunningNode) -> None:
    definition = definition_as_json(
        Definition(
            code="y = x\ny = 1 / 0", runtime_type="Python", inputs=[Parameter("x", "numeric")]
        )
    )
    tried = run(alice, jobs.TEST_RUN, definition=definition, inputs={"x": 1})
    assert tried.state == JobState.DONE
    assert (tried.result["success"], tried.result["error_line"]) == (False, 2)


def test_a_definition_that_cannot_be_fails_the_job(alice: User) -> None:
    tried = run(alice, jobs.TEST_RUN, definition={"runtime_type": "Perl"}, inputs={})
    assert tried.state == JobState.FAILED
    assert "runtimeType" in tried.error


def test_a_test_run_can_be_cancelled(
    alice: User, declared_node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = {"runtime_type": "Python", "code": "while True: pass"}
    job = running.start(
        jobs.TEST_RUN, user=alice, arguments={"definition": definition, "inputs": {}}
    )
    report = running.JobContext.report

    def report_and_cancel(context: running.JobContext, progress: dict[str, Any]) -> None:
        report(context, progress)
        running.cancel(job)

    monkeypatch.setattr(running.JobContext, "report", report_and_cancel)
    running.run(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
