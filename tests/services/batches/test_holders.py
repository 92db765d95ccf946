"""Seeing from here that the holder of a lease is dead."""

import json
import subprocess
import sys

import pytest
from pytest_django import Settings

from services.batches.holders import is_known_dead, this_process


def another_process() -> str:
    """A process that has ended, as a holder."""
    code = "from services.batches.holders import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_process_that_lives_is_not_dead() -> None:
    assert not is_known_dead(this_process())


def test_a_process_that_has_ended_is_dead() -> None:
    assert is_known_dead(another_process())


def test_another_process_with_the_same_number_is_no_sign_of_life() -> None:
    boot, space, pid, started = json.loads(this_process())
    assert is_known_dead(json.dumps([boot, space, pid, started - 1]))


@pytest.mark.parametrize("elsewhere", ["boot", "space"])
def test_of_other_machines_and_containers_nothing_is_known(
    settings: Settings, elsewhere: str
) -> None:
    settings.CELERY_BROKER_URL = "redis://broker"
    boot, space, pid, _ = json.loads(this_process())
    other = ["other", space] if elsewhere == "boot" else [boot, "other"]
    assert not is_known_dead(json.dumps([*other, pid, 1]))


def test_with_a_broker_in_files_all_from_before_the_restart_are_dead(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "files://localhost"
    assert is_known_dead(json.dumps(["earlier", "pid:[1]", 1, 1]))


def test_a_name_of_another_kind_is_not_understood() -> None:
    assert not is_known_dead("somebody")
