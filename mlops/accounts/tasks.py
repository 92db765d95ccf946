"""Periodic work on accounts."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from mlops.accounts import audit_retention, tokens
from mlops.accounts.sign_in import throttle


@shared_task  # type: ignore[untyped-decorator]
def remove_dead_tokens() -> int:
    """Delete token families that can never be used again; how many they were."""
    return tokens.remove_dead(timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def remove_expired_sessions() -> int:
    """Delete the browser sessions of the console that have expired; how many they were."""
    deleted, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return deleted


@shared_task  # type: ignore[untyped-decorator]
def forget_failed_sign_ins() -> int:
    """Delete what is known of failed sign-ins that count no more; how many rows they were."""
    return throttle.forget(timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def remove_expired_audit_entries() -> int:
    """Delete the entries of the audit trail that are older than the setting; how many."""
    return audit_retention.remove_expired(timezone.now())
