"""The task that runs a job, and the periodic ones around jobs."""

from celery import shared_task

from mlops.jobs import running


# Acknowledged at once: the message is a nudge, and a job is never run twice.
@shared_task(acks_late=False)  # type: ignore[untyped-decorator]
def run_job(job_id: str) -> None:
    """Run one job; see `mlops.jobs.running`."""
    running.run(job_id)


@shared_task  # type: ignore[untyped-decorator]
def look_after_jobs() -> None:
    """Start what nobody has taken, and end what has lost its worker."""
    running.give_up_lost()
    running.nudge_waiting()


@shared_task  # type: ignore[untyped-decorator]
def remove_expired_jobs() -> int:
    """Delete jobs that have been kept for long enough; how many they were."""
    return running.remove_expired()
