"""Jobs that a page shows while they run."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mlops.jobs.models import Job, JobState

_COLOURS = {
    JobState.WAITING: "neutral",
    JobState.RUNNING: "info",
    JobState.DONE: "success",
    JobState.FAILED: "danger",
    JobState.CANCELLED: "warning",
}


def shown_state(job: Job) -> dict[str, str]:
    """The badge of a job: its text, colour and why."""
    why = job.error
    if job.state == JobState.WAITING:
        why = "It starts as soon as a worker is free."
    elif not job.is_ended and job.is_cancel_requested:
        why = "It is about to be cancelled."
    return {"text": job.state, "colour": _COLOURS[JobState(job.state)], "why": why}


def refreshed(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The part of a page about `job` that changes; once it has ended the page is loaded anew."""
    response = render(request, template, context)
    if context["job"].is_ended:
        response["HX-Refresh"] = "true"
    return response
