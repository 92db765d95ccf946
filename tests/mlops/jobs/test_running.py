"""Jobs: started by people, run by workers."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mlops.accounts.audit import record
from mlops.accounts.models import AuditEntry, User
from mlops.correlation import current_id
from mlops.errors import Conflict
from mlops.jobs import kinds, running, tasks
from mlops.jobs.kinds import job
from mlops.jobs.models import LOST, LOST_AFTER, Job, JobState
from mlops.jobs.running import JobContext


@pytest.fixture(autouse=True)
def no_other_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "_kinds", {})


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs of which workers were told."""
    told: list[str] = []
    monkeypatch.setattr(
        tasks.run_job, "apply_async", lambda arguments, **_: told.append(arguments[0])
    )
    return told


def started(alice: User, **arguments: Any) -> Job:
    return running.start("sum", user=alice, arguments=arguments)


def test_a_job_runs_and_its_result_is_kept(alice: User) -> None:
    @job("sum")
    def add(context: JobContext, a: int, b: int) -> int:
        return a + b

    begun = started(alice, a=1, b=2)
    assert begun.state == JobState.WAITING
    running.run(begun.pk)
    begun.refresh_from_db()
    assert (begun.state, begun.result, begun.error) == (JobState.DONE, 3, "")


def test_workers_are_told_once_it_is_committed(
    alice: User, sent: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    job("sum")(lambda context: None)
    with django_capture_on_commit_callbacks(execute=True):
        begun = started(alice)
        assert sent == []
    assert sent == [str(begun.pk)]


def test_a_job_runs_once(alice: User) -> None:
    calls: list[str] = []
    job("sum")(lambda context: calls.append("run"))
    begun = started(alice)
    running.run(begun.pk)
    running.run(begun.pk)
    assert calls == ["run"]


def test_an_error_of_ours_is_told_to_the_owner(alice: User) -> None:
    @job("sum")
    def add(context: JobContext) -> None:
        raise Conflict("There is one already.")

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert (begun.state, begun.error) == (JobState.FAILED, "There is one already.")


def test_another_failure_tells_only_where_to_look(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    @job("sum")
    def add(context: JobContext) -> None:
        raise ValueError("secret")

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert begun.state == JobState.FAILED
    assert "its log says more" in begun.error
    assert "secret" not in begun.error
    assert "secret" in caplog.text


def test_progress_is_shown_while_it_runs_and_afterwards(alice: User) -> None:
    seen: list[Any] = []

    @job("sum")
    def add(context: JobContext) -> None:
        context.report({"done": 1})
        seen.append(Job.objects.get(pk=context.job_id).progress)
        context.report({"done": 2})

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert seen == [{"done": 1}]
    assert begun.progress == {"done": 2}


def test_a_waiting_job_is_cancelled_at_once(alice: User) -> None:
    job("sum")(lambda context: pytest.fail("it was cancelled"))
    begun = started(alice)
    running.cancel(begun)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert begun.state == JobState.CANCELLED


def test_a_running_job_learns_that_it_is_cancelled(alice: User) -> None:
    @job("sum")
    def add(context: JobContext) -> None:
        running.cancel(Job.objects.get(pk=context.job_id))
        context.write()
        context.raise_if_cancelled()

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert begun.state == JobState.CANCELLED


def test_a_job_whose_worker_was_lost_has_failed_and_says_so(alice: User) -> None:
    job("sum")(lambda context: None)
    begun = started(alice)
    Job.objects.update(state=JobState.RUNNING, seen_at=timezone.now() - 2 * LOST_AFTER)
    tasks.look_after_jobs()
    begun.refresh_from_db()
    assert (begun.state, begun.error) == (JobState.FAILED, LOST)


def test_a_job_that_gives_signs_of_life_goes_on(alice: User) -> None:
    job("sum")(lambda context: None)
    begun = started(alice)
    Job.objects.update(state=JobState.RUNNING, seen_at=timezone.now())
    tasks.look_after_jobs()
    begun.refresh_from_db()
    assert begun.state == JobState.RUNNING


def test_a_lost_message_is_sent_again(alice: User, sent: list[str]) -> None:
    job("sum")(lambda context: None)
    begun = started(alice)
    tasks.look_after_jobs()
    assert sent == [str(begun.pk)]


def test_jobs_are_kept_for_as_long_as_their_kind_says(alice: User) -> None:
    job("sum", keep_days=2)(lambda context: None)
    job("other", keep_days=9)(lambda context: None)
    old, young = started(alice), started(alice)
    other = running.start("other", user=alice, arguments={})
    for each in (old, young, other):
        running.run(each.pk)
    Job.objects.exclude(pk=young.pk).update(finished_at=timezone.now() - timedelta(days=3))
    assert tasks.remove_expired_jobs() == 1
    assert set(Job.objects.all()) == {young, other}


def test_what_a_job_does_is_noted_as_of_the_request_that_started_it(alice: User) -> None:
    ids: list[str] = []

    @job("sum")
    def add(context: JobContext) -> None:
        ids.append(current_id())
        record("do sums", user=context.user)

    begun = started(alice)
    Job.objects.update(address="10.9.8.7", login_session_id="AB", correlation_id="c-1")
    running.run(begun.pk)
    entry = AuditEntry.objects.get(action="do sums")
    assert (entry.address, entry.login_session_id) == ("10.9.8.7", "AB")
    assert ids == ["c-1"]


@pytest.mark.parametrize(
    ("text", "kept"), [("a\0b", "a\ufffdb"), ("a\ud800b", "a\ufffdb"), ("\\u0000", "\\u0000")]
)
def test_what_no_database_takes_is_replaced_and_nothing_else(
    alice: User, text: str, kept: str
) -> None:
    """User code may print or return whatever it likes."""

    @job("sum")
    def add(context: JobContext) -> Any:
        context.report({text: [text]})
        return {"text": text, "numbers": [float("nan"), float("-inf"), 1.5], text: None}

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert begun.state == JobState.DONE
    assert begun.progress == {kept: [kept]}
    assert begun.result == {"text": kept, "numbers": [None, None, 1.5], kept: None}


def test_an_error_may_quote_anything(alice: User) -> None:
    @job("sum")
    def add(context: JobContext) -> None:
        raise Conflict("no \0")

    begun = started(alice)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert (begun.state, begun.error) == (JobState.FAILED, "no \ufffd")


def test_a_job_of_who_was_shut_out_meanwhile_does_not_run(alice: User) -> None:
    job("sum")(lambda context: pytest.fail("its owner may not"))
    begun = started(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    running.run(begun.pk)
    begun.refresh_from_db()
    assert (begun.state, begun.error) == (JobState.FAILED, "The account is not active.")
