"""What the worker does about sessions: it closes the idle ones, and those nobody knows any more."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from mlops.errors import Gone, MlopsError, NodeUnreachable
from nodes.background import run_sync
from nodes.compute_node import ComputeNode
from nodes.holding import node_holding
from nodes.models import Session
from nodes.registry import known_addresses
from nodes.session_ids import own_id

logger = logging.getLogger(__name__)

_ASK_SECONDS = 5
_AT_ONCE = 64


def close_idle_sessions(*, now: datetime) -> int:
    """Close the sessions that nobody has used for SESSION_IDLE_SECONDS; answers how many.

    Those that are lost are forgotten with that, and so are those whose node cannot be reached: if
    it comes back still holding them, they are strays.
    """
    idle = Session.objects.filter(
        last_used_at__lt=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    )
    unreachable: set[str] = set()
    n_closed = 0
    for session in idle:
        if not idle.filter(pk=session.pk).exists():
            continue  # used or closed meanwhile
        try:
            if session.node not in unreachable:
                with node_holding(session) as node:
                    run_sync(node.close_session(session.pk, force=True))
        except Gone:
            pass
        except NodeUnreachable:
            unreachable.add(session.node)
        except MlopsError as error:
            logger.warning("Idle session %s was not closed: %s", session.pk, error.message)
            continue
        Session.objects.filter(pk=session.pk).delete()
        n_closed += 1
    return n_closed


def close_stray_sessions() -> int:
    """Close what the nodes hold for sessions of ours that the database has not; answers how many.

    Their user was deleted, or a web node died or gave up half-way. A session is in the database
    before it is on its node, so none is mistaken for a stray while it is being opened.
    """
    n_closed = 0
    for address, held in run_sync(_ask_all(known_addresses())):
        ours = [session_id for text in held if (session_id := own_id(text)) is not None]
        known = set(Session.objects.filter(pk__in=ours).values_list("pk", flat=True))
        for session_id in ours:
            if session_id not in known:
                n_closed += _close(address, session_id)
    return n_closed


async def _ask_all(nodes: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each address, and the ids of the sessions it holds; none of one that does not answer."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(address: str) -> tuple[str, list[str]]:
        async with free:
            try:
                return address, await ComputeNode(address).list_sessions(seconds=_ASK_SECONDS)
            except MlopsError as error:
                logger.info("The sessions of %s are not known: %s", address, error.message)
                return address, []

    return await asyncio.gather(*map(ask, nodes))


def _close(address: str, session_id: UUID) -> bool:
    try:
        run_sync(ComputeNode(address).close_session(session_id, force=True))
    except Gone:
        return False
    except MlopsError as error:
        logger.warning("Stray session %s was not closed: %s", session_id, error.message)
        return False
    logger.info("Stray session %s on %s is closed.", session_id, address)
    return True
