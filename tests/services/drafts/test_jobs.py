"""Test runs of drafts on a real node, and publishing as a job."""

from dataclasses import asdict
from typing import Any

import pytest

from mlops.accounts.models import User
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services.drafts.basing import begin_from
from services.drafts.jobs import PUBLISH, TRY
from services.models import Draft, Version
from services.uploads import begin_upload
from tests.nodes.runtime.realtime.models import adding
from tests.nodes.runtime.running import RunningNode
from tests.services.create import create_realtime
from tests.services.drafts.writing import written
from tests.services.staging import staged

pytestmark = pytest.mark.django_db(transaction=True)


def tried(draft: Draft, **inputs: Any) -> dict[str, Any]:
    """The result of the job that tries the draft."""
    arguments = {"draft_id": str(draft.pk), "inputs": inputs}
    job = running.start(TRY, user=draft.owner, arguments=arguments)
    return ended(job)


def ended(job: Job) -> dict[str, Any]:
    running.run(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.DONE, job.error
    result: dict[str, Any] = job.result
    return result


def publish(draft: Draft) -> dict[str, Any]:
    """The result of the job that publishes the draft."""
    arguments = {"draft_id": str(draft.pk), "overwrite": ""}
    return ended(running.start(PUBLISH, user=draft.owner, arguments=arguments))


@pytest.mark.usefixtures("declared_node")
def test_code_is_run_as_it_is_in_the_draft(alice: User) -> None:
    run = tried(written(alice), x=3)["run"]
    assert (run["success"], run["outputs"]) == (True, {"answer": 6})
    assert not Version.objects.exists()


@pytest.mark.usefixtures("declared_node")
def test_an_error_comes_with_its_line(alice: User) -> None:
    run = tried(written(alice, code="a = 1\nanswer = 1 / 0"), x=3)["run"]
    assert (run["success"], run["error_part"], run["error_line"]) == (False, "code", 2)


@pytest.mark.usefixtures("declared_node")
def test_a_new_version_is_tried_with_the_files_of_the_one_before(alice: User) -> None:
    file = asdict(staged(alice, "factor.txt", b"7"))
    first = written(alice, code="answer = x * int(open('factor.txt').read())", files=[file])
    assert publish(first) == {"published": {"name": "churn", "version": "1.0"}}
    draft = begin_from(user=alice, name="churn", version="1.0", is_edit=False)
    assert tried(draft, x=3)["run"]["outputs"] == {"answer": 21}


@pytest.mark.usefixtures("declared_node")
def test_a_new_version_of_a_model_is_tried_with_the_model(alice: User) -> None:
    create_realtime(alice)
    draft = begin_from(user=alice, name="churn", version="v1", is_edit=False)
    run = tried(draft, inputData=[{"x": 3}])["run"]
    assert run["outputs"] == {"outputData": {"y": [4.0]}}


def test_without_a_node_it_says_so(alice: User) -> None:
    problem = tried(written(alice), x=3)["problem"]
    assert problem["status"] == 503
    assert "compute node" in problem["message"]


@pytest.mark.usefixtures("declared_node")
def test_inputs_that_do_not_fit_are_said(alice: User, declared_node: RunningNode) -> None:
    problem = tried(written(alice), x="many")["problem"]
    assert problem["status"] == 400
    assert "x" in problem["message"]


def test_a_model_is_checked_before_it_is_published(alice: User) -> None:
    file = asdict(staged(alice, "model.onnx", b"no model"))
    draft = written(alice, runtime_type="Realtime", files=[file])
    assert publish(draft)["problem"]["field"] == "files"
    assert not Version.objects.exists()


def test_a_model_is_published(alice: User) -> None:
    file = asdict(staged(alice, "model.onnx", adding()))
    publish(written(alice, runtime_type="Realtime", files=[file]))
    assert Version.objects.get().runtime_type == "Realtime"


def test_a_job_that_is_repeated_publishes_once(alice: User) -> None:
    draft = written(alice, files=[asdict(staged(alice, "a.txt", b"1"))])
    assert publish(draft) == publish(draft)
    assert Version.objects.count() == 1


def test_an_upload_that_has_not_come_is_said(alice: User) -> None:
    upload = begin_upload(user=alice, name="a.txt", size=7)
    draft = written(alice, files=[{"name": "a.txt", "upload": str(upload.pk)}])
    assert "let its upload finish" in publish(draft)["problem"]["message"]
