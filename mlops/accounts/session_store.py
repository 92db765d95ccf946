"""Sessions of browsers, in the database under a hash of the key that the cookie holds.

Who reads the database, or a copy of it, can take over none of them.
"""

import hashlib

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone


class SessionStore(DatabaseStore):
    """Django's store, which would keep keys as they are."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        stored = self.model.objects.filter(
            session_key=_digest(self.session_key or ""), expire_date__gt=timezone.now()
        ).first()
        if stored is None:
            self._session_key = None
        return stored

    def exists(self, session_key: str) -> bool:
        """Whether there is a session of this key."""
        return super().exists(_digest(session_key))

    def create_model_instance(self, data: dict[str, object]) -> AbstractBaseSession:
        """The row of this session."""
        row = super().create_model_instance(data)
        row.session_key = _digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session of this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(_digest(key))


def _digest(key: str) -> str:
    """40 characters are what the column has room for: 160 bits."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
