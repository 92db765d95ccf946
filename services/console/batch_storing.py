"""Storing batches that somebody starts on the console: small ones at once, large ones by a job."""

from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from mlops.blobs import storage
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.errors import NotFound
from mlops.jobs import running
from mlops.jobs.models import Job, JobState
from services.actions.retry_batch import retry_batch
from services.actions.start_batch import start_batch
from services.batches.jobs import RETRY, START
from services.batches.tables import read_table
from services.models import Batch, Version

_AT_ONCE_LETTERS = 100_000  # of a table; a larger one takes too long for a request
_AT_ONCE_ITEMS = 500


def start_soon(
    request: HttpRequest, version: Version, text: str, *, parallel_count: int, max_items: int
) -> str:
    """The address of the new batch, or of the page that waits until it is stored.

    Raises InvalidRequest for rows that do not fit, of a small table at once.
    """
    user = user_of(request)
    if len(text) <= _AT_ONCE_LETTERS:
        declared = [(each["name"], each["type"]) for each in version.input_parameters]
        table = read_table(text, declared, max_items=max_items)
        if table.n_items <= _AT_ONCE_ITEMS:
            batch = start_batch(
                user=user,
                name=version.name,
                version=version.version,
                body=table.body,
                parallel_count=parallel_count,
            )
            return reverse("console:batch", args=[batch.pk])
    # Nobody else refers to the blob: it goes within hours, and the job runs within seconds.
    blob = storage.save([text.encode(errors="replace")])
    arguments = {
        "name": version.name,
        "version": version.version,
        "blob_id": blob.pk,
        "parallel_count": parallel_count,
    }
    job = running.start(START, user=user, arguments=arguments)
    return reverse("console:batch_storing", args=[job.pk])


def retry_soon(request: HttpRequest, batch: Batch, n_items: int) -> str:
    """The address of the batch that runs again what failed, or of the page that waits for it."""
    user = user_of(request)
    if n_items <= _AT_ONCE_ITEMS:
        retried = retry_batch(user=user, batch_id=batch.pk)
        return reverse("console:batch", args=[retried.pk])
    job = running.start(RETRY, user=user, arguments={"batch_id": str(batch.pk)})
    return reverse("console:batch_storing", args=[job.pk])


@page("batch/storing/<uuid:job_id>/", name="batch_storing")
def storing(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """Waits until a batch is stored, and goes on to it."""
    job = Job.objects.filter(pk=job_id, owner=user_of(request), kind__in=(START, RETRY)).first()
    if job is None:
        raise NotFound("There is nothing being stored under this address any more.")
    if job.state == JobState.DONE:
        address = reverse("console:batch", args=[(job.result or {})["batch"]])
        response: HttpResponseBase = HttpResponseRedirect(address)
        if is_fragment(request):
            response = render(request, "services/storing_live.html", {"job": job}, title="")
            response.headers["HX-Redirect"] = address
        return response
    context = {"job": job, "live_address": request.path}
    template = "services/storing_live.html" if is_fragment(request) else "services/storing.html"
    answer = render(request, template, context, title="Storing the batch")
    if job.is_ended:
        answer["X-Live-Ended"] = "1"
    return answer
