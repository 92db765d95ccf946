"""Reading the audit trail: what matches, newest first, as JSON and as CSV.

Only Owners may. It is read by id, a part at a time, however long the trail is.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from mlops.accounts.models import AuditEntry
from mlops.csv_text import csv_lines
from mlops.errors import InvalidRequest

_ROWS_AT_ONCE = 1000
_COLUMNS = (
    "id",
    "at",
    "user",
    "action",
    "object",
    "outcome",
    "reason",
    "before",
    "after",
    "address",
    "loginSessionId",
    "correlationId",
)


def matching(
    entries: QuerySet[AuditEntry],
    *,
    user: str = "",
    action: str = "",
    object: str = "",
    outcome: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Those of the entries that fit all that is said.

    `object` finds what belongs to it too: all versions of a service, the batches of a version.
    """
    exact = {"username": user, "action": action, "outcome": outcome}
    found = entries.filter(**{name: value for name, value in exact.items() if value})
    if object:
        found = found.filter(Q(object=object) | _begins(f"{object}/") | _begins(f"{object} "))
    if since:
        found = found.filter(at__gte=since)
    if until:
        found = found.filter(at__lt=until)
    return found


def _begins(text: str) -> Q:
    """The objects that begin with `text`."""
    if connection.vendor == "sqlite":  # whose index serves ranges, in the order of the characters
        return Q(object__gte=text, object__lt=f"{text[:-1]}{chr(ord(text[-1]) + 1)}")
    return Q(object__startswith=text)


def moment(text: str) -> datetime:
    """The date or time in ISO 8601, of UTC unless it says another zone; raises InvalidRequest."""
    try:
        parsed = parse_datetime(text.strip())
        if parsed is not None:
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest(
        f"{text} is no date or time: write 2026-11-22 or 2026-11-22T18:30:00Z.", fields="from,to"
    )


def pages(entries: QuerySet[AuditEntry]) -> Iterator[list[AuditEntry]]:
    """All of the entries, newest first, in lists that fit into memory."""
    page = list(entries.order_by("-pk")[:_ROWS_AT_ONCE])
    while page:
        yield page
        page = list(entries.filter(pk__lt=page[-1].pk).order_by("-pk")[:_ROWS_AT_ONCE])


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """The entry as it goes over the wire."""
    values = (
        entry.pk,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        entry.username,
        entry.action,
        entry.object,
        entry.outcome,
        entry.reason,
        entry.before,
        entry.after,
        entry.address,
        entry.login_session_id,
        entry.correlation_id,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def as_csv(entries: QuerySet[AuditEntry]) -> Iterator[bytes]:
    """All of the entries as CSV, a piece at a time; `before` and `after` as JSON."""
    yield csv_lines([_COLUMNS])
    for page in pages(entries):
        yield csv_lines(as_json(entry).values() for entry in page)
