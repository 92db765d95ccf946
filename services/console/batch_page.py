"""The page of one batch: how far it is, its items, and what can be taken away of it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header

from mlops.accounts.roles import Role
from mlops.console.api_calls import ApiCall
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.errors import MlopsError, NotFound
from mlops.streaming import streamed
from services.batches import reading, results_csv
from services.batches.looking import items_of
from services.console.batch_storing import retry_soon
from services.console.batches import label_of, progress_of, version_address
from services.models import Batch

_UNKNOWN = "There is no such batch, or it is somebody else's. Batches are kept for some days only."


def batch_of(request: HttpRequest, pk: UUID) -> Batch:
    """The batch; raises NotFound for one that the user may not see."""
    visible = Batch.objects.visible_to(user_of(request))
    found = visible.select_related("version__service", "owner").filter(pk=pk).first()
    if found is None:
        raise NotFound(_UNKNOWN)
    return found


@page("batch/<uuid:pk>/", name="batch")
def batch(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """How far the batch is and what came of its items; live while it runs."""
    found = batch_of(request, pk)
    assert found.version  # noqa: S101 - those without are not shown
    only_failed = request.GET.get("items") == "failed"
    try:
        number = int(request.GET.get("p", "1"))
    except ValueError:
        number = 1
    text, colour, why = label_of(found)
    is_over = found.finished_at is not None
    progress = progress_of(found, now=timezone.now())
    context: dict[str, Any] = {
        "batch": found,
        "version": f"{found.version.name}/{found.version.version}",
        "version_address": version_address(found.version),
        "badge": {"text": text, "colour": colour, "why": why},
        "progress": progress,
        "is_over": is_over,
        "may_retry": is_over and (found.n_failed or progress.n_done < progress.n_items),
        "shown": items_of(found, page=number, only_failed=only_failed),
        "live_address": request.get_full_path(),
    }
    if is_fragment(request):
        response = render(request, "services/batch_live.html", context, title="Batch")
        if is_over:
            response["X-Live-Ended"] = "1"
        return response
    path = f"/api/{found.version.name}/{found.version.version}/batch/{found.pk}"
    context["call"] = ApiCall(request.build_absolute_uri("/"), "GET", path)
    title = f"Batch of {found.version.name}/{found.version.version}"
    return render(request, "services/batch.html", context, title=title, subtitle=str(found.pk))


@page("batch/<uuid:pk>/retry/", name="batch_retry", posts=Role.READER)
def retry(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Ask, then run again what failed, as a batch of its own."""
    found = batch_of(request, pk)
    assert found.version  # noqa: S101 - those without are not shown
    back = reverse("console:batch", args=[pk])
    n_left = found.n_items - found.n_completed if found.finished_at is not None else 0
    n_again, problem = found.n_failed + n_left, ""
    if request.method == "POST" and "confirmed" in request.POST:
        try:
            return HttpResponseRedirect(retry_soon(request, found, n_again))
        except MlopsError as error:
            problem = error.message
    context = {
        "question": f"Run {n_again:,} item{'' if n_again == 1 else 's'} again?",
        "depends": [
            f"A new batch of {found.version.name}/{found.version.version} is started with the"
            " inputs of the items that failed or were not run. This one stays as it is.",
        ],
        "problem": problem,
        "button": "Run them again",
        "back": back,
    }
    status = 409 if problem else 200
    return render(request, "console/confirm.html", context, title="Retry failed", status=status)


@page("batch/<uuid:pk>/results.json/", name="batch_json")
def results_as_json(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """All that the REST API answers of the batch, as a file."""
    found = batch_of(request, pk)
    chunks = reading.status_json(found.pk, shows_partial=True)
    return _download(request, chunks, "application/json", f"batch-{pk}.json")


@page("batch/<uuid:pk>/results.csv/", name="batch_csv")
def results_as_csv(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A line for each item, its outputs in columns."""
    found = batch_of(request, pk)
    return _download(request, results_csv.as_csv(found), "text/csv", f"batch-{pk}.csv")


@page("batch/<uuid:pk>/<int:index>/<str:name>/", name="batch_file")
def file(request: HttpRequest, pk: UUID, index: int, name: str) -> HttpResponseBase:
    """A file that an item returned."""
    found = batch_of(request, pk)
    if index >= found.n_items:
        raise NotFound("This batch has no such item.")
    size = reading.file_size(found.pk, index, name)
    content = reading.file_content(found.pk, index, name)
    kind = "application/octet-stream"
    return _download(request, content, kind, name, length=str(size))


def _download(
    request: HttpRequest, chunks: Any, content_type: str, name: str, *, length: str = ""
) -> HttpResponseBase:
    response = streamed(request, chunks, content_type=content_type, length=length)
    attachment = content_disposition_header(as_attachment=True, filename=name)
    response.headers["Content-Disposition"] = attachment or "attachment"
    return response
