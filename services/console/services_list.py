"""The list of services."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from mlops.accounts.roles import Role, is_contributor, role_of
from mlops.console.lists import CsvList
from mlops.console.pages import caller_of, user_of
from mlops.console.read_only import LeadsOn, ReadOnlyAdmin
from mlops.console.shown import NOTHING, number, percent, relative_time
from mlops.console.site import site
from mlops.csv_text import csv_lines
from services.console.deleting import render_preview
from services.console.list_filters import PublisherFilter, TypeFilter, WhichFilter
from services.models import Service
from services.overview import services_for, versions_for
from services.usage import reading

MOST_DELETED = 500  # services that can be chosen at once
_CSV_ROWS_AT_ONCE = 500
_COLOURS = {"Python": "info", "R": "primary", "Realtime": "success"}


@admin.register(Service, site=site)
class ServiceAdmin(LeadsOn, CsvList, ReadOnlyAdmin):
    """Every service that the user may consume, the one changed last first."""

    list_display = (
        "name_shown",
        "latest",
        "type_label",
        "versions",
        "publisher",
        "changed",
        "traffic",
        "errors",
    )
    list_display_links = None
    list_before_template = "services/before_services.html"
    list_filter = (WhichFilter, TypeFilter, PublisherFilter)
    search_fields = ("name",)
    search_help_text = "Name, version, publisher or description"
    actions = ("delete_chosen",)
    empty_hint = (
        "Publish on the page Publish, or from R or Python, or a folder with a service.toml and your"
        " code."
    )
    empty_command = "python manage.py publish path/to/folder"
    csv_columns = {
        "Service": lambda row: row.name,
        "Latest version": lambda row: row.latest_version or "",
        "Type": lambda row: row.latest_type or "",
        "Versions": lambda row: row.n_versions,
        "Publisher": lambda row: row.latest_publisher or "",
        "Last changed": lambda row: row.last_changed.isoformat() if row.last_changed else "",
        "Calls in 24 hours": lambda row: row.line.n_calls,
        "Errors in 24 hours": lambda row: row.line.n_errors,
        "Closed": lambda row: "yes" if row.access and row.access.is_closed else "no",
        "Pool": lambda row: "yes" if row.has_pool else "no",
    }

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with what the user can do above it."""
        context = {"may_publish": is_contributor(request), **(extra_context or {})}
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The services that the user may consume; others are as good as not there."""
        return services_for(caller_of(request))

    def get_ordering(self, request: HttpRequest) -> Sequence[str]:  # noqa: ARG002
        """What was changed last comes first, where the address does not say otherwise."""
        return ("-last_changed", "name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those of which each word is in the name, or in a version's name, publisher or text."""
        versions = versions_for(caller_of(request)).filter(service=OuterRef("pk"))
        for word in search_term.split():
            of_version = (
                Q(version__icontains=word)
                | Q(published_by__icontains=word)
                | Q(description__icontains=word)
            )
            queryset = queryset.filter(
                Q(name__icontains=word) | Exists(versions.filter(of_version))
            )
        return queryset, False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its services knowing their traffic of the last 24 hours."""
        changes: ChangeList = super().get_changelist_instance(request)
        _add_lines(changes.result_list)
        return changes

    def csv_of(self, found: QuerySet[Any]) -> Iterator[bytes]:
        """The headers and all rows, each knowing what the columns need."""
        yield csv_lines([list(self.csv_columns)])
        rows = found.iterator(chunk_size=_CSV_ROWS_AT_ONCE)
        while some := list(islice(rows, _CSV_ROWS_AT_ONCE)):
            _add_lines(some)
            yield csv_lines([[value(row) for value in self.csv_columns.values()] for row in some])

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """What may be done to the chosen services: nothing by Readers."""
        role = role_of(user_of(request))
        may = role is not None and role >= Role.CONTRIBUTOR
        return super().get_actions(request) if may else {}

    @admin.action(description="Delete the chosen services …")
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Show what that does, and ask."""
        names = list(queryset.order_by("name").values_list("name", flat=True)[: MOST_DELETED + 1])
        if len(names) > MOST_DELETED:
            messages.error(request, f"Choose at most {MOST_DELETED} services at once.")
            return None
        return render_preview(request, names)

    def page_of(self, object_id: str) -> str:
        """The page of the service; the list for one that is not there."""
        service = Service.objects.filter(pk=int(object_id)).first()
        return _address(service) if service else reverse("console:services_service_changelist")

    # Columns.

    @admin.display(description="Service", ordering="name")
    def name_shown(self, service: Any) -> SafeString:
        """Its name, and whether it is closed to some or has a pool."""
        context = {"service": service, "address": _address(service), "note": _note(service)}
        return SafeString(render_to_string("services/service_cell.html", context))

    @admin.display(description="Latest", ordering="latest_version")
    def latest(self, service: Any) -> str:
        """The version published last."""
        return service.latest_version or "none yet"

    @display(description="Type", ordering="latest_type", label=_COLOURS)  # type: ignore[untyped-decorator]
    def type_label(self, service: Any) -> str:
        """R, Python or Realtime, coloured."""
        return service.latest_type or ""

    @admin.display(description="Versions", ordering="n_versions")
    def versions(self, service: Any) -> SafeString:
        """How many there are."""
        return format_html('<span class="number">{}</span>', service.n_versions)

    @admin.display(description="Publisher", ordering="latest_publisher")
    def publisher(self, service: Any) -> str:
        """Who published the latest version."""
        return service.latest_publisher or ""

    @admin.display(description="Last changed", ordering="last_changed")
    def changed(self, service: Any) -> SafeString | str:
        """When a version was last published or patched."""
        return relative_time(service.last_changed)

    @admin.display(description="Calls in 24 h")
    def traffic(self, service: Any) -> SafeString | str:
        """Its calls, hour by hour."""
        if not service.line.n_calls:
            return NOTHING
        label = f"{service.line.n_calls:,} calls in the last 24 hours"
        line = {"values": service.line.calls, "label": label}
        drawn = SafeString(render_to_string("console/components/sparkline.html", line))
        return format_html('{} <span class="number">{}</span>', drawn, number(service.line.n_calls))

    @admin.display(description="Errors")
    def errors(self, service: Any) -> SafeString | str:
        """The share of its calls that failed."""
        line = service.line
        if not line.n_errors:
            return percent(line.error_rate)
        why = f"{line.n_errors:,} of {line.n_calls:,} calls failed in the last 24 hours"
        return format_html(
            '<span class="badge badge-danger" title="{}">{}</span>'
            '<span class="visually-hidden">: {}</span>',
            why,
            percent(line.error_rate),
            why,
        )


def _add_lines(services: Sequence[Any]) -> None:
    lines = reading.sparklines([each.name for each in services], now=timezone.now())
    for each in services:
        each.line = lines[each.name]


def _address(service: Service) -> str:
    return reverse("console:service", args=[service.name])


def _note(service: Service) -> str:
    """Who may call it, if not all may."""
    if service.access is None or not service.access.is_closed:
        return ""
    named = [f"{each['kind']} {each['name']}" for each in service.grants]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"open to {', '.join(named[:3])}{more} only"
