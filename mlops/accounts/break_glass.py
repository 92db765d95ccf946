"""Breaking the glass: letting the local administrator in while people come from a directory.

For emergencies, as when the directory is away. It lasts for a time, on all web nodes.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from mlops.accounts import audit
from mlops.accounts.actions import end_sign_ins
from mlops.accounts.models import BrokenGlass, User
from mlops.accounts.serving import operator
from mlops.accounts.sign_in import methods
from mlops.errors import Conflict, InvalidRequest

DEFAULT_MINUTES = 60
MAX_MINUTES = 24 * 60

logger = logging.getLogger(__name__)


def break_glass(*, minutes: int = DEFAULT_MINUTES) -> BrokenGlass:
    """The time, from now on, in which the local administrator may sign in.

    A time that lasts already is replaced. Raises InvalidRequest for `minutes` out of bounds, and
    Conflict while local accounts are on anyway.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidRequest(f"The minutes must be 1 to {MAX_MINUTES}.", fields="minutes")
    if methods.LOCAL in methods.in_force():
        raise Conflict("Local accounts are on, so that there is no glass to break.")
    now = timezone.now()
    with transaction.atomic():
        _close_open()
        opened = BrokenGlass.objects.create(
            opened_at=now, closes_at=now + timedelta(minutes=minutes)
        )
        audit.record("break glass", user=operator(), after={"until": opened.closes_at.isoformat()})
    logger.critical(
        "The glass is broken by %s: the local account %s may sign in until %s.",
        operator(),
        methods.LOCAL_ADMINISTRATOR,
        f"{opened.closes_at:%Y-%m-%d %H:%M:%S} UTC",
    )
    return opened


def mend_glass() -> bool:
    """Whether the glass was broken; all that came in by it is out at once."""
    with transaction.atomic():
        was_open = _close_open()
    if was_open:
        logger.critical("The glass is mended by %s: local accounts are off.", operator())
    return was_open


def broken_now() -> BrokenGlass | None:
    """The time that lasts, if one does and it matters."""
    if methods.LOCAL in methods.in_force():
        return None
    return BrokenGlass.objects.open().first()


def _close_open() -> bool:
    """Whether one was open. Logins of earlier times never come alive again."""
    for user in User.objects.filter(username=methods.LOCAL_ADMINISTRATOR):
        end_sign_ins(user)
    was_open = BrokenGlass.objects.open().update(closed_at=timezone.now()) > 0
    if was_open:
        audit.record("mend glass", user=operator())
    return was_open
