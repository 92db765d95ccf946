"""How long the audit trail reaches back."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from mlops.accounts.audit import record
from mlops.accounts.models import AuditEntry, AuditHorizon
from mlops.accounts.serving import operator

_AT_ONCE = 5000  # makes short transactions


def remove_expired(now: datetime) -> int:
    """Delete the entries that are older than AUDIT_RETENTION_DAYS; how many they were.

    The trail says so itself. Nothing is deleted when the setting is 0.
    """
    if not settings.AUDIT_RETENTION_DAYS:
        return 0
    horizon = now - timedelta(days=settings.AUDIT_RETENTION_DAYS)
    n_removed = 0
    while some := _remove_some(horizon):
        n_removed += some
    return n_removed


def _remove_some(horizon: datetime) -> int:
    with transaction.atomic():
        AuditHorizon.objects.update_or_create(pk=1, defaults={"at": horizon})
        n_removed = AuditEntry.objects.remove_expired(_AT_ONCE)
        if n_removed:
            record(
                "remove audit entries",
                user=operator(),
                after={"entries": n_removed, "before": horizon.isoformat()},
            )
    return n_removed
