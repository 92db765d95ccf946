"""How the list of services can be narrowed down."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from mlops.console.pages import caller_of, user_of
from services.models import RuntimeType
from services.overview import closed_services, publishers_for, versions_for
from services.usage import reading


class TypeFilter(admin.SimpleListFilter):
    """By what the latest version runs on."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """All types."""
        return [(str(value), str(label)) for value, label in RuntimeType.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """The services of this type."""
        return queryset.filter(latest_type=self.value()) if self.value() else queryset


class PublisherFilter(admin.SimpleListFilter):
    """By who has published a version."""

    title = "publisher"
    parameter_name = "publisher"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """Everybody who has published what the user may consume."""
        return [(name, name) for name in publishers_for(caller_of(request))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The services with a version of this publisher."""
        return _published_by(request, queryset, self.value()) if self.value() else queryset


class WhichFilter(admin.SimpleListFilter):
    """By what makes a service worth a look."""

    title = "which"
    parameter_name = "which"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:  # noqa: ARG002
        """The kinds."""
        return [
            ("mine", "published by me"),
            ("closed", "closed to some"),
            ("errors", "with errors in 24 hours"),
            ("pool", "with a pool"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The services of this kind."""
        match self.value():
            case "mine":
                return _published_by(request, queryset, user_of(request).username)
            case "closed":
                return queryset.filter(pk__in=closed_services())
            case "errors":
                failing = reading.failing_versions(since=timezone.now() - timedelta(days=1))
                return queryset.filter(name__in={each.name for each in failing})
            case "pool":
                return queryset.filter(has_pool=True)
        return queryset


def _published_by(
    request: HttpRequest, services: QuerySet[Any], publisher: str | None
) -> QuerySet[Any]:
    versions = versions_for(caller_of(request)).filter(service=OuterRef("pk"))
    return services.filter(Exists(versions.filter(published_by=publisher)))
