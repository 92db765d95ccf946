"""Users, the tokens and keys by which they come, and the audit trail."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Exists, Q
from django.utils import timezone

from mlops.accounts.sign_in import methods


class User(AbstractUser):
    """A person or application; `username` is the unique key that owns services and sessions."""

    class Method(models.TextChoices):
        """Where an account is kept; its sign-in is checked there."""

        LOCAL = "local"
        LDAP = "ldap"
        ENTRA = "entra"
        SERVICE = "service", "service account"

    sign_in_method = models.CharField(max_length=16, choices=Method, default=Method.LOCAL)
    display_name = models.CharField(max_length=256, blank=True)
    # Accounts of a directory: which one it is there, the names of its groups, when they were read.
    directory_id = models.CharField(max_length=1024, blank=True)
    directory_groups = models.JSONField(default=list, blank=True)
    directory_read_at = models.DateTimeField(null=True, blank=True)
    # Service accounts: their role, which no group gives them.
    assigned_role = models.PositiveSmallIntegerField(null=True, blank=True)

    # The key by which this user came, if it was by one; not kept with the account.
    came_by: "ApiKey | None" = None

    def get_full_name(self) -> str:
        """The name to show to people; empty when none is known."""
        return self.display_name or super().get_full_name()

    def group_names(self) -> frozenset[str]:
        """The names of the user's groups, in lower case: they compare without regard to case."""
        if self.sign_in_method == self.Method.LOCAL:
            return frozenset(group.name.lower() for group in self.groups.all())
        return frozenset(name.lower() for name in self.directory_groups)

    @property
    def only_services(self) -> frozenset[str] | None:
        """The services to which the key is bound by which this user came; None for no bounds."""
        return self.came_by.scope() if self.came_by else None

    def is_alive(self) -> bool:
        """Whether the account may come in now: it is active, and its sign-in method in force.

        The local administrator also may while the glass is broken.
        """
        if not self.is_active:
            return False
        if self.sign_in_method in methods.in_force():
            return True
        return self.is_local_administrator and BrokenGlass.objects.open().exists()

    @property
    def is_local_administrator(self) -> bool:
        """Whether this is the account that the first start made."""
        return (
            self.is_superuser
            and self.sign_in_method == self.Method.LOCAL
            and self.username == methods.LOCAL_ADMINISTRATOR
        )


class BrokenGlassQuerySet(models.QuerySet["BrokenGlass"]):
    """Queries over the times for which the glass was broken."""

    def open(self) -> "BrokenGlassQuerySet":
        """Those that last."""
        return self.filter(closed_at=None, closes_at__gt=timezone.now())


class BrokenGlass(models.Model):
    """A time in which the local administrator may sign in although people come from a directory."""

    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField(db_index=True)
    closed_at = models.DateTimeField(null=True)  # before its time

    objects = BrokenGlassQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d %H:%M} to {self.closed_at or self.closes_at:%H:%M} UTC"


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    """Queries over the families of tokens."""

    def alive(self) -> "TokenFamilyQuerySet":
        """The families that nothing revoked and whose user is alive, see `User.is_alive`."""
        may_come = Q(user__sign_in_method__in=methods.in_force())
        if methods.LOCAL not in methods.in_force():
            may_come |= Q(
                Exists(BrokenGlass.objects.open()),
                user__is_superuser=True,
                user__sign_in_method=methods.LOCAL,
                user__username=methods.LOCAL_ADMINISTRATOR,
            )
        return self.filter(may_come, revoked_at=None, user__is_active=True)


class TokenFamily(models.Model):
    """All tokens that descend from one login (wire-api section 9).

    Only the newest pair of a family is alive: `access_id` is the id of its access token.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    login_session_id = models.CharField(max_length=128)
    access_id = models.UUIDField(unique=True)
    key_id = models.CharField(max_length=16)  # of the key that signed this token
    signed_at = models.DateTimeField()
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


class SignInBudget(models.Model):
    """How many attempts to sign in may still fail: `mlops.accounts.sign_in.throttle`.

    It is that of a user at an address, of an address (`user_key` is empty), or of a user at all
    unfamiliar addresses (`address` is empty).
    """

    user_key = models.CharField(max_length=64, blank=True)  # of the name that was typed
    address = models.CharField(max_length=64, blank=True)
    restored_at = models.DateTimeField(db_index=True)  # no failed attempt counts any more
    familiar_until = models.DateTimeField(null=True)  # the user has signed in from there

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_key", "address"], name="one_sign_in_budget")
        ]

    def __str__(self) -> str:
        return f"{self.user_key or 'any user'} at {self.address or 'any address'}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Queries over API keys."""

    def alive(self) -> "ApiKeyQuerySet":
        """The keys that have not expired and whose account may come in."""
        return self.filter(
            expires_at__gt=timezone.now(),
            user__is_active=True,
            user__sign_in_method__in=methods.in_force(),
        )


class ApiKey(models.Model):
    """A key by which an application comes as `user`, stored as its SHA-256 (api_keys/text.py).

    A revoked key is deleted; the audit trail keeps what it was.
    """

    id = models.CharField(max_length=16, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    services = models.JSONField(null=True)  # a list of names; null for all services
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    def scope(self) -> frozenset[str] | None:
        """The names of the services to which it is bound; None for no bounds."""
        return None if self.services is None else frozenset(self.services)


class AppendOnlyError(TypeError):
    """The code would have changed or deleted entries of the audit trail."""


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Queries over the audit trail; triggers of the database refuse what is refused here too."""

    def update(self, **kwargs: Any) -> int:  # noqa: ARG002
        """Raises AppendOnlyError."""
        raise AppendOnlyError("Entries of the audit trail are never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Raises AppendOnlyError."""
        raise AppendOnlyError("Entries of the audit trail are only removed by its retention.")

    def remove_expired(self, most: int) -> int:
        """Delete at most so many of the entries from before the horizon; how many they were."""
        horizon = AuditHorizon.objects.filter(pk=1).values("at")
        oldest = self.filter(at__lt=horizon).order_by("at").values("pk")[:most]
        # The one way past `delete`, and all that the triggers let pass.
        n_removed, _ = models.QuerySet.delete(self.filter(pk__in=oldest))
        return n_removed


class AuditEntry(models.Model):
    """One line of the audit trail: who did what to what, from where, and what came of it.

    Entries are written by `mlops.accounts.audit` only, and never changed.
    """

    at = models.DateTimeField(db_index=True)
    username = models.CharField(max_length=256, blank=True)  # empty: nobody known
    action = models.CharField(max_length=64)  # "publish version", "sign in", …
    object = models.CharField(max_length=512, blank=True)
    outcome = models.CharField(max_length=16)  # "success" or "refused"
    reason = models.CharField(max_length=512, blank=True)  # of a refusal
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    address = models.CharField(max_length=64, blank=True)
    login_session_id = models.CharField(max_length=128, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True, db_index=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "audit entries"
        # Each with the id, by which lists are ordered and paged.
        indexes = [
            models.Index(fields=["username", "id"], name="audit_by_username"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
            models.Index(fields=["object", "id"], name="audit_by_object"),
            models.Index(fields=["outcome", "id"], name="audit_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.username or 'somebody'}: {self.action} {self.object} ({self.outcome})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new entry; raises AppendOnlyError for one that is stored."""
        if not self._state.adding:
            raise AppendOnlyError("Entries of the audit trail are never changed.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:  # noqa: ARG002
        """Raises AppendOnlyError."""
        raise AppendOnlyError("Entries of the audit trail are only removed by its retention.")


class AuditHorizon(models.Model):
    """The one row that says from before when entries of the audit trail may be deleted.

    The triggers that a migration makes let nothing else be deleted, and nothing be changed.
    """

    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.at)
