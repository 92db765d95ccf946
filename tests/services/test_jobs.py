import pickle
from typing import Any

import pytest

from mlops.accounts.models import User
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services import jobs
from services.inference import Proposal
from services.staged import StagedFile
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode
from tests.services.staging import stage

# Scoring reads the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_nudge", lambda job_id: None)


class _Endless:
    def __reduce__(self) -> Any:
        return exec, ("while True: pass",)


def run(user: User, kind: str, **arguments: Any) -> Job:
    job = running.start(kind, user=user, arguments=arguments)
    running.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_file_is_looked_into(alice: User) -> None:
    upload = stage(alice, "adding.onnx", adding(2.0))
    found = run(alice, jobs.INSPECT, uploads=[str(upload.pk)])
    assert found.state == JobState.DONE, found.error
    assert found.progress == {"text": "Reading what was uploaded"}
    proposal = Proposal.of(found.result)
    assert [each.name for each in proposal.columns] == ["x"]
    assert proposal.files == [StagedFile("adding.onnx", str(upload.pk))]


def test_somebody_elses_upload_is_unknown(alice: User, bob: User) -> None:
    upload = stage(alice, "rows.csv", b"a\n1")
    found = run(bob, jobs.INSPECT, uploads=[str(upload.pk)])
    assert (found.state, found.result) == (JobState.FAILED, None)
    assert "no such upload" in found.error


def test_what_is_no_model_fails_the_job(alice: User) -> None:
    found = run(alice, jobs.INSPECT, uploads=[str(stage(alice, "x.docx", b"x").pk)])
    assert found.state == JobState.FAILED
    assert "is not understood" in found.error


def test_a_look_can_be_cancelled(
    alice: User, declared_node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = stage(alice, "endless.pkl", pickle.dumps(_Endless()))
    job = running.start(jobs.INSPECT, user=alice, arguments={"uploads": [str(upload.pk)]})
    report = running.JobContext.report

    def report_and_cancel(context: running.JobContext, progress: dict[str, Any]) -> None:
        report(context, progress)
        running.cancel(job)

    monkeypatch.setattr(running.JobContext, "report", report_and_cancel)
    running.run(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
