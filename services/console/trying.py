"""Trying a version from its page: one call, as any other, and where its time went."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from mlops.accounts.roles import Role
from mlops.console.pages import caller_of, page
from mlops.correlation import current_id, new_id
from nodes.api.hanging_up import noticing_hang_up
from nodes.compute_node import run_sync
from nodes.stopwatch import Stopwatch
from services.catalogue import published_version
from services.permissions import require_consume
from services.scoring import answer


@page(
    "service/<str:name>/<str:version>/try/",
    name="try_version",
    posts=Role.READER,
    around=noticing_hang_up,
)
def try_version(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """The result of the version for the body, as its callers get it, the user being the caller.

    The header Server-Timing has the stages in milliseconds. Who goes away has the run broken off.
    """
    if request.method != "POST":
        return HttpResponseRedirect(f"{reverse('console:version', args=[name, version])}#try")
    published = published_version(name, version)
    require_consume(published, caller_of(request))
    watch = Stopwatch()
    answered = run_sync(
        answer(published, request.body, correlation_id=current_id() or new_id(), watch=watch),
        hang_up=request.hang_up,  # type: ignore[attr-defined]
    )
    return HttpResponse(
        answered.body,
        content_type=answered.content_type.decode(),
        headers={"Server-Timing": server_timing(watch)},
    )


def server_timing(watch: Stopwatch) -> str:
    """The header that tells how many milliseconds each stage took: what one who tries wants."""
    total = watch.now()
    stages = {
        "queue": watch.stages["shell"],
        "load": watch.stages["load"],
        "run": watch.stages["node"],
    }
    stages |= {"other": max(0.0, total - sum(stages.values())), "total": total}
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in stages.items())
