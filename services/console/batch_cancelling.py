"""Cancelling batches and deleting their results: small ones at once, others by a job."""

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from mlops.accounts.roles import Role
from mlops.console.pages import page, render, user_of
from mlops.errors import NotFound
from mlops.jobs import running
from services.actions.cancel_batch import cancel_batch
from services.batches.jobs import CANCEL
from services.models import Batch

MOST = 1000  # batches at once
_AT_ONCE_ITEMS = 500  # of more the removal takes too long for a request
_NAMED = 10


@page("batches/cancel/", name="batches_cancel", posts=Role.READER)
def cancel(request: HttpRequest) -> HttpResponseBase:
    """Ask, then remove the batches with all that came of them."""
    given = request.POST if request.method == "POST" else request.GET
    visible = Batch.objects.visible_to(user_of(request)).select_related("version__service")
    batches = list(visible.filter(pk__in=_ids(given.getlist("batch")))[:MOST])
    if not batches:
        raise NotFound("None of these batches is there any more, or they are somebody else's.")
    if request.method != "POST" or "confirmed" not in request.POST:
        return ask(request, batches)
    what = "The batch is" if len(batches) == 1 else f"{len(batches)} batches are"
    if len(batches) == 1 and batches[0].n_items <= _AT_ONCE_ITEMS:
        cancel_batch(user=user_of(request), batch_id=batches[0].pk)
        messages.success(request, f"{what} {_done(batches)}.")
    else:
        ids = [str(batch.pk) for batch in batches]
        running.start(CANCEL, user=user_of(request), arguments={"batch_ids": ids})
        messages.success(request, f"{what} being {_done(batches)}: gone in a moment.")
    return HttpResponseRedirect(reverse("console:services_batch_changelist"))


def ask(request: HttpRequest, batches: Sequence[Batch]) -> TemplateResponse:
    """The page that says what would be lost."""
    n_done = sum(batch.n_completed for batch in batches)
    n_left = sum(each.n_items - each.n_completed for each in batches if each.finished_at is None)
    depends = [f"{batch.version} from {batch.created_at:%Y-%m-%d %H:%M} UTC" for batch in batches]
    if len(batches) > _NAMED:
        depends = [*depends[:_NAMED], f"and {len(batches) - _NAMED} more batches"]
    if n_left:
        depends.append(f"{n_left:,} items that are not done yet: they are not run any more")
    if n_done:
        depends.append(
            f"{n_done:,} results with their files: download them first if they are needed"
        )
    verb = "Delete" if all(batch.finished_at for batch in batches) else "Cancel"
    what = "the batch" if len(batches) == 1 else f"{len(batches)} batches"
    back = reverse("console:services_batch_changelist")
    context = {
        "question": f"{verb} {what}?",
        "depends": depends,
        "fields": [("batch", str(batch.pk)) for batch in batches],
        "action": reverse("console:batches_cancel"),
        "button": f"{verb} {what}",
        "back": reverse("console:batch", args=[batches[0].pk]) if len(batches) == 1 else back,
    }
    return render(request, "console/confirm.html", context, title=f"{verb} {what}")


def _done(batches: Sequence[Batch]) -> str:
    return "deleted" if all(batch.finished_at for batch in batches) else "cancelled"


def _ids(texts: Sequence[str]) -> list[UUID]:
    """Those of the texts that can be ids."""
    found = []
    for text in texts[:MOST]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
