"""The periodic tasks."""

from mlops.celery import app


def test_every_entry_of_the_schedule_names_a_task_that_exists() -> None:
    app.loader.import_default_modules()
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name


def test_sweeping_is_scheduled_hourly() -> None:
    scheduled = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    assert scheduled["mlops.blobs.tasks.sweep_blobs"] == 3600
    assert scheduled["mlops.accounts.tasks.remove_dead_tokens"] == 3600
