"""What a bearer text says of itself, once it is proved genuine."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose login it belongs to, and until when it counts; what `key` finds depends on its kind."""

    key: Hashable
    login_session_id: str
    expires_on: float  # Unix seconds
