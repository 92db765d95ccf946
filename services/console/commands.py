"""What the command palette finds of services and batches, and where the audit trail finds them."""

import re
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest

from mlops.accounts.models import AuditEntry
from mlops.accounts.roles import Role, is_owner
from mlops.console.commands import MAX_OF_ONE, Job, SearchResult, add_jobs, address_of, provider
from mlops.console.object_links import object_link
from mlops.console.pages import caller_of, user_of
from services.models import Batch, Version
from services.permissions import consumable

_HEX_OF_ID = 32
_PART_OF_ID = re.compile(r"[0-9a-f-]{4,36}")

add_jobs(
    Job(
        "Publish a service",
        "Python, R or a model file",
        "publish",
        "publish",
        lambda: Role.CONTRIBUTOR,
        "new upload model version",
    ),
    Job("Start a batch", "Many calls of a version", "stacks", "batch_start", words="new run call"),
    Job(
        "Trace a service",
        "Where the time of a call goes",
        "timeline",
        "trace_service",
        lambda: Role.OWNER,
        "slow call diagnostics",
    ),
    Job(
        "Trace code",
        "Run it on a node, step by step",
        "terminal",
        "trace_code",
        lambda: Role.OWNER,
        "run diagnostics",
    ),
)


@provider("Services")
def services(request: HttpRequest, text: str) -> Iterable[SearchResult]:
    """Services that the user may call, by a part of their name; those first that begin with it."""
    begins = When(service__name__istartswith=text, then=Value(0))
    rank = Case(begins, default=Value(1), output_field=IntegerField())
    versions = Version.objects.filter(service__name__icontains=text)
    names = (
        consumable(versions, caller_of(request))
        .annotate(rank=rank)
        .order_by("rank", "service__name")
        .values_list("rank", "service__name")
        .distinct()
    )
    for _, name in names[:MAX_OF_ONE]:
        if address := address_of("service", name):
            yield SearchResult(name, "Service", address, "deployed_code")


@provider("Batches")
def batches(request: HttpRequest, text: str) -> Iterable[SearchResult]:
    """Batches whose id begins with the text: one's own, everybody's for an Owner."""
    digits = text.replace("-", "")
    if not _PART_OF_ID.fullmatch(text) or not 4 <= len(digits) <= _HEX_OF_ID:
        return
    ids = (UUID(digits.ljust(_HEX_OF_ID, "0")), UUID(digits.ljust(_HEX_OF_ID, "f")))
    found = Batch.objects.live().filter(pk__range=ids)
    if not is_owner(request):
        found = found.filter(owner=user_of(request))
    for batch in found.select_related("version__service").order_by("pk")[:MAX_OF_ONE]:
        if address := address_of("batch", batch.pk):
            yield SearchResult(str(batch.pk), f"Batch of {batch.version}", address, "stacks")


@object_link
def service_or_batch(entry: AuditEntry) -> str:
    """The page of the version, its service or the batch that an entry is about."""
    if not entry.action.endswith(("version", "pool", "grants", "batch")):
        return ""
    of, _, batch_id = entry.object.partition(" batch ")
    if batch_id:
        batch = Batch.objects.live().filter(pk=batch_id).first() if _is_id(batch_id) else None
        return address_of("batch", batch.pk) if batch else ""
    name, _, version = of.partition("/")
    versions = Version.objects.named(name, version or None)
    if not versions.exists():
        return ""
    return address_of("version", name, version) if version else address_of("service", name)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
