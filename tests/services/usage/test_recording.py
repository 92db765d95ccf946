"""Recording what is scored, by several processes at the same time."""

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import Error, connection
from pytest_django import Settings

from mlops.accounts.models import User
from mlops.usage import recorded
from mlops.usage.minutes import HOUR, MINUTE, minute_of
from nodes.compute_node import close_connections
from services import metrics
from services.batches.driver import Driver
from services.models import Usage
from services.tallies import Tallies
from services.tasks import remove_old_usage
from services.usage import scopes
from services.usage.recording import STORE_SECONDS, Recorder
from tests.database_option import PORT, URL
from tests.nodes.runtime.running import ROOT
from tests.postgresql import Server
from tests.services.create import create_batch, create_version
from tests.services.scripted_node import ScriptedNode, declared
from tests.services.test_lane import succeed
from tests.services.usage.recorded import NODE, NOW, counted, record

pytestmark = pytest.mark.django_db

# Counts as a web node does, in this minute, and ends without having been asked for anything.
PROCESS = """
import sys
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from services import metrics
from services.catalogue import PublishedVersion
published = PublishedVersion(1, "churn", "v1", "Python", "b", "alice", None)
sys.stdin.read()
for number in range(1000):
    metrics.note_call(published, source="call", node="http://node-1:12805/", status=200,
        is_success=number % 10 > 0, seconds=0.02)
    if number % 100 == 0:
        metrics._tallies.totals()
"""


def row(of: str = scopes.EVERYTHING, resolution: int = MINUTE) -> Usage:
    return Usage.objects.get(of=of, resolution=resolution)


def everything() -> list[dict[str, Any]]:
    return list(Usage.objects.order_by("pk").values())


def test_a_call_counts_for_everything_its_service_its_version_and_its_node() -> None:
    record(NOW, 0.02)
    assert set(Usage.objects.values_list("of", flat=True)) == {
        scopes.EVERYTHING,
        scopes.REQUESTS,
        scopes.of_service("churn"),
        scopes.of_version("churn", "v1"),
        scopes.of_node(NODE),
    }
    for of in (scopes.EVERYTHING, scopes.of_version("churn", "v1"), scopes.of_node(NODE)):
        found = row(of)
        assert (found.minute, found.calls, found.t6, found.seconds) == (
            minute_of(NOW),
            1,
            0,
            0.02,
        )
        assert found.t5 == 1  # up to 25 ms


def test_its_hour_has_it_as_well() -> None:
    record(NOW, 0.02)
    record(NOW + timedelta(minutes=20), 0.02, 0.03)
    assert Usage.objects.filter(of="", resolution=MINUTE).count() == 2
    found = row(resolution=HOUR)
    assert (found.minute, found.calls, found.t5, found.t6) == (minute_of(NOW, HOUR), 3, 2, 1)


@pytest.mark.parametrize(
    ("status", "is_success", "failures", "faults"),
    [(200, True, 0, 0), (200, False, 1, 0), (503, False, 0, 1), (400, False, 0, 0)],
)
def test_faults_of_the_platform_and_failures_of_user_code_are_told_apart(
    status: int, is_success: bool, failures: int, faults: int
) -> None:
    record(NOW, 0.02, status=status, is_success=is_success)
    found = row()
    assert (found.calls, found.failures, found.faults) == (1, failures, faults)


def test_what_several_store_adds_up() -> None:
    for _ in range(3):
        record(NOW, 0.02, 70.0)
    found = row()
    assert (found.calls, found.t5, found.t15) == (6, 3, 3)
    assert found.seconds == pytest.approx(210.06)


def test_what_is_stored_is_not_stored_again() -> None:
    recorder = Recorder()
    recorder.take(counted(0.02), NOW.timestamp())
    recorder.store()
    before = everything()
    recorder.store()
    assert everything() == before


def test_what_cannot_be_stored_is_kept_for_the_next_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    recorder.take(counted(0.02), NOW.timestamp())

    def fail(*_: object) -> None:
        raise Error("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(recorded, "add", fail)
        recorder.store()
    assert "The disk is full." in caplog.text
    assert everything() == []
    recorder.take(counted(0.02), NOW.timestamp())
    recorder.store()
    assert row().calls == 2


def test_it_is_stored_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr("time.sleep", lambda _: None)
    recorder = Recorder(clock=lambda: seconds[0])
    recorder.take(counted(0.02), NOW.timestamp())
    recorder.store_if_due()
    assert everything() == []
    seconds[0] = STORE_SECONDS
    recorder.store_if_due()
    assert row().calls == 1


@pytest.mark.django_db(transaction=True)
def test_processes_at_the_same_time_lose_nothing_and_count_nothing_twice() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "mlops.settings"}
    name = str(connection.settings_dict["NAME"])
    if PORT in os.environ:
        environment[URL] = Server(int(os.environ[PORT])).url(name)
    command = [sys.executable, "-c", PROCESS, name]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0]
    for of in (scopes.EVERYTHING, scopes.of_version("churn", "v1"), scopes.of_node(NODE)):
        for resolution in (MINUTE, HOUR):
            rows = Usage.objects.filter(of=of, resolution=resolution)
            assert sum(row.calls for row in rows) == 2000
            assert sum(row.t5 for row in rows) == 2000
            assert sum(row.failures for row in rows) == 200


@pytest.mark.django_db(transaction=True)
def test_items_of_batches_are_recorded(
    alice: User, bob: User, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_version(alice, name="churn")
    create_batch(bob, n_items=3, name="churn")
    recorder = Recorder()
    monkeypatch.setattr(metrics, "_tallies", Tallies(tmp_path, follower=recorder))

    async def main() -> None:
        try:
            async with declared(ScriptedNode(score=succeed)):
                await Driver().run()
        finally:
            await close_connections()

    async_to_sync(main)()
    metrics._tallies.totals()
    recorder.store()
    assert sum(row.calls for row in Usage.objects.filter(of="", resolution=HOUR)) == 3


def test_what_cannot_be_filed_is_recorded_once(tmp_path: Any) -> None:
    (tmp_path / "metrics").touch()
    recorder = Recorder()
    tallies = Tallies(tmp_path / "metrics", follower=recorder)
    tallies.count(("requests", 401))
    for _ in range(2):
        tallies.totals()
    (tmp_path / "metrics").unlink()
    assert tallies.totals() == {("requests", 401): [1]}
    recorder.store()
    assert row(scopes.REQUESTS).failures == 1


def test_old_minutes_and_hours_go_when_their_time_is_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.USAGE_MINUTES_KEPT_HOURS, settings.USAGE_HOURS_KEPT_DAYS = 48, 90
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    ages = [timedelta(0), timedelta(hours=47), timedelta(hours=50), timedelta(days=91)]
    for age in ages:
        record(NOW - age, 0.02)
    remove_old_usage()
    kept = Usage.objects.filter(of="").order_by("resolution", "minute")
    assert [(row.resolution, row.minute) for row in kept] == [
        *((MINUTE, minute_of(NOW - age)) for age in (ages[1], ages[0])),
        *((HOUR, minute_of(NOW - age, HOUR)) for age in (ages[2], ages[1], ages[0])),
    ]
    assert remove_old_usage() == 0
    assert settings.USAGE_MINUTES_KEPT_HOURS == 48
