"""The audit trail: every change and every sign-in, who made it and from where.

Actions call `record` within their transaction, so that a change and its entry come or stay away
together. Passwords, tokens, keys, code, models and inputs never go into an entry; of code its
`fingerprint` does.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from mlops.accounts import serving
from mlops.accounts.models import AuditEntry, User
from mlops.correlation import current_id

SUCCESS = "success"
REFUSED = "refused"

# Refusals in a minute that are written, of one caller and of all together: no loop of refused calls
# fills the database.
REFUSALS_OF_ONE = 20
REFUSALS_OF_ALL = 300
_LAST_ONE = "Further refusals of this caller within the minute are left out."

_MAX_MEMBER_BYTES = 8192  # in JSON; of what is larger the fingerprint is kept


def record(
    action: str,
    *,
    user: User | str,
    object: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: str = SUCCESS,
    reason: str = "",
) -> None:
    """Note that `user` did `action` to `object`, with the request being served; see AuditEntry.

    Refusals beyond a number in a minute are left out, which the last one of them says.
    """
    username, origin = (
        _stored(user if isinstance(user, str) else user.username, 256),
        serving.origin(),
    )
    if outcome == REFUSED:
        own, every = _refusals(username, origin)
        if own >= REFUSALS_OF_ONE or every >= REFUSALS_OF_ALL:
            return
        if own == REFUSALS_OF_ONE - 1:
            reason = f"{reason} {_LAST_ONE}"
    AuditEntry.objects.create(
        at=timezone.now(),
        username=username,
        action=action,
        object=_stored(object, 512),
        outcome=outcome,
        reason=_stored(reason, 512),
        before=_bounded(before),
        after=_bounded(after),
        address=origin,
        login_session_id=serving.login_session_id(),
        correlation_id=current_id(),
    )


def record_change(
    action: str,
    *,
    user: User | str,
    object: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """The same of a change, with the members that differ."""
    differing = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    record(
        action,
        user=user,
        object=object,
        before={name: before.get(name) for name in differing},
        after={name: after.get(name) for name in differing},
    )


def fingerprint(text: str | None) -> dict[str, Any] | None:
    """What tells a text from others without telling the text: it may hold secrets."""
    if text is None:
        return None
    content = text.encode(errors="surrogatepass")
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _refusals(username: str, origin: str) -> tuple[int, int]:
    """How many were written in the last minute: of this caller, and of all."""
    counts = AuditEntry.objects.filter(
        at__gt=timezone.now() - timedelta(minutes=1), outcome=REFUSED
    ).aggregate(own=Count("pk", filter=Q(username=username, address=origin)), every=Count("pk"))
    return counts["own"], counts["every"]


def _stored(text: str, length: int) -> str:
    """The text as every database takes it."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")[:length]


def _bounded(members: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The members, none of them large."""
    if members is None:
        return None
    texts = {name: json.dumps(value) for name, value in members.items()}
    return {
        name: members[name] if len(text) <= _MAX_MEMBER_BYTES else fingerprint(text)
        for name, text in texts.items()
    }
