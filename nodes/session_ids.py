"""Ids of sessions: random GUIDs in which the deployment that opened them recognises its own.

A compute node may serve several deployments that know nothing of each other. Each must close the
sessions that it has forgotten, and leave those of the others alone.
"""

import hmac
import secrets
from uuid import UUID

from django.conf import settings


def new_id() -> UUID:
    """An id nobody can guess: 60 random bits, and 62 bits that only the secret key gives."""
    randomness = secrets.token_bytes(8)
    return _marked(UUID(bytes=randomness + bytes(8), version=4).bytes[:8])


def own_id(text: str) -> UUID | None:
    """The id that a compute node reports, if this deployment has made it."""
    try:
        session_id = UUID(text)
    except ValueError:
        return None
    return session_id if session_id == _marked(session_id.bytes[:8]) else None


def _marked(randomness: bytes) -> UUID:
    key = settings.SECRET_KEY.encode()
    mark = hmac.digest(key, b"session id " + randomness, "sha256")[:8]
    return UUID(bytes=randomness + mark, version=4)
