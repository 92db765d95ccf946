"""Users, and the token families that keep them signed in."""

import uuid
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or application; `username` is the unique key that owns services and sessions."""


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    """Queries over the families of tokens."""

    def alive(self) -> "TokenFamilyQuerySet":
        """The families that nothing revoked and whose user is active."""
        return self.filter(revoked_at=None, user__is_active=True)


class TokenFamily(models.Model):
    """All tokens that descend from one login (wire-api section 9).

    Only the newest pair of a family is alive: `access_id` is the id of its access token.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    login_session_id = models.CharField(max_length=128)
    access_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    objects = TokenFamilyQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.id)


class RefreshToken(models.Model):
    """One refresh token, stored as its SHA-256 so that the database reveals none."""

    digest = models.CharField(max_length=64, primary_key=True)
    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="refresh_tokens")
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.digest

    def is_usable(self, now: datetime) -> bool:
        """Whether it may still be exchanged for a new pair."""
        return self.used_at is None and self.expires_at > now
