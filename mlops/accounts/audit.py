"""The audit trail: every change and every sign-in, who made it and from where.

Actions call `record` within their transaction, so that a change and its entry come or stay away
together. Passwords, tokens, keys, code, models and inputs never go into an entry.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from mlops.accounts.models import AuditEntry, User
from mlops.correlation import current_id

SUCCESS = "success"
REFUSED = "refused"


def record(
    action: str,
    *,
    user: User | str,
    object: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: str = SUCCESS,
    reason: str = "",
) -> AuditEntry:
    """The entry that says that `user` did `action` to `object`; see AuditEntry."""
    return AuditEntry.objects.create(
        at=timezone.now(),
        username=(user if isinstance(user, str) else user.username)[:256],
        action=action,
        object=object[:512],
        outcome=outcome,
        reason=reason[:512],
        before=before,
        after=after,
        correlation_id=current_id(),
    )
