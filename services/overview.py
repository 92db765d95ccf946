"""All services that somebody may consume, as the list of the console shows them."""

from typing import Any

from django.db.models import (
    Count,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from mlops.accounts.roles import Role
from mlops.accounts.token_cache import Caller
from services.models import Service, Version, VersionQuerySet
from services.permissions import consumable


def versions_for(caller: Caller) -> VersionQuerySet:
    """The versions that the caller may consume."""
    return consumable(Version.objects.all(), caller)


def services_for(caller: Caller) -> "QuerySet[Any]":
    """The services with a version that the caller may consume, or that wait for one with grants to
    whom these name as managers.

    Each knows its `n_versions`, when it was `last_changed`, its `latest_version`, which is None
    without versions, the `latest_type` and `latest_publisher`, and whether one `has_pool`: of what
    the caller may consume. Nothing of that is asked for but for the rows that are shown.
    """
    of_service = versions_for(caller).filter(service=OuterRef("pk"))
    newest = of_service.order_by("-created_at", "-id")
    count = of_service.order_by().values("service").annotate(n=Count("pk")).values("n")
    return Service.objects.filter(Exists(of_service) | Q(pk__in=_waiting_for(caller))).annotate(
        n_versions=Coalesce(Subquery(count, output_field=IntegerField()), 0),
        last_changed=Subquery(of_service.order_by("-updated_at").values("updated_at")[:1]),
        latest_version=Subquery(newest.values("version")[:1]),
        latest_type=Subquery(newest.values("runtime_type")[:1]),
        latest_publisher=Subquery(newest.values("published_by")[:1]),
        has_pool=Exists(of_service.filter(pool__isnull=False)),
    )


def closed_services() -> list[int]:
    """The keys of services which only some may consume."""
    return [
        service.pk
        for service in Service.objects.exclude(grants=[])
        if service.access and service.access.is_closed
    ]


def publishers_for(caller: Caller) -> list[str]:
    """Who has published something that the caller may consume, by name."""
    names = versions_for(caller).order_by().values_list("published_by", flat=True).distinct()
    return sorted(names, key=str.lower)


def _waiting_for(caller: Caller) -> list[int]:
    """The keys of services that have no versions but grants, which the caller may set."""
    waiting = Service.objects.filter(versions=None).exclude(grants=[])
    if caller.role == Role.OWNER:
        return [service.pk for service in waiting]
    return [
        service.pk
        for service in waiting
        if caller.role == Role.CONTRIBUTOR
        and service.access
        and service.access.lets_manage(caller.username, caller.groups)
    ]
