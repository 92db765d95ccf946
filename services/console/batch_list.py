"""The list of batches: everybody sees the own ones, Owners all."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.views import ChangeList

from mlops.accounts.roles import Role, role_of
from mlops.console.badges import badge
from mlops.console.lists import CsvList
from mlops.console.live_lists import LiveList
from mlops.console.pages import user_of
from mlops.console.read_only import LeadsOn, ReadOnlyAdmin
from mlops.console.shown import NOTHING, duration, number, relative_time
from mlops.console.site import site
from services.console.batch_cancelling import MOST, ask
from services.console.batches import (
    CONDITIONS,
    LABELS,
    label_of,
    progress_of,
)
from services.models import Batch, BatchState, Version

_COMMAND = (
    'curl -X POST "{url}api/NAME/VERSION/batch?parallelCount=10"'
    ' -H "Authorization: Bearer $MLOPS_TOKEN" -H "Content-Type: application/json"'
    ' -d \'[{{"x": 1}}, {{"x": 2}}]\''
)


class StateFilter(admin.SimpleListFilter):
    """By how far they are, or whether something failed."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every state, and those with failures."""
        states = [(state.value, LABELS[state].capitalize()) for state in BatchState]
        return [*states, ("failures", "With failed items")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> Any:  # noqa: ARG002
        """The batches in one of them."""
        if self.value() == "failures":
            return queryset.filter(n_failed__gt=0)
        return queryset.filter(CONDITIONS.get(self.value() or "", Q()))


class _TextFilter(TextFilter):  # type: ignore[misc]
    """Batches that fit a text."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # noqa: ARG002
        """The form, labelled by the title."""
        data = {self.parameter_name: self.value()}
        yield {"form": self.form_class(name=self.parameter_name, label=self.title, data=data)}


class VersionFilter(_TextFilter):
    """By service, or by one version of it."""

    title, parameter_name = "Service, or service/version", "version"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> Any:  # noqa: ARG002
        """Those of the batches."""
        name, _, version = (self.value() or "").strip().partition("/")
        if name:
            queryset = queryset.filter(version__service__name=name)
        return queryset.filter(version__version=version) if version else queryset


class OwnerFilter(_TextFilter):
    """By who started it."""

    title, parameter_name = "User", "owner"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> Any:  # noqa: ARG002
        """Those of the batches."""
        name = (self.value() or "").strip()
        return queryset.filter(owner__username__iexact=name) if name else queryset


@admin.register(Batch, site=site)
class BatchAdmin(LeadsOn, LiveList, CsvList, ReadOnlyAdmin):
    """Every batch that the user may see, the newest first."""

    list_display = (
        "batch",
        "state_now",
        "progress",
        "failures",
        "rate",
        "remaining",
        "user",
        "created",
        "finished",
    )
    list_display_links = None
    list_filter = (StateFilter, VersionFilter, OwnerFilter)
    list_filter_submit = True
    show_full_result_count = False  # one count of very many rows is enough
    list_before_template = "services/before_batches.html"
    search_fields = ("id",)  # see get_search_results
    search_help_text = "The id of a batch, or how it begins"
    ordering = ("-created_at", "-pk")
    actions = ("cancel",)
    show_facets = admin.ShowFacets.NEVER
    empty_hint = (
        "A batch runs a version on many inputs in the background. Start one from a table with the"
        " button above, or over the API:"
    )
    csv_columns = {
        "Id": lambda row: str(row.pk),
        "Service": lambda row: row.version.service.name,
        "Version": lambda row: row.version.version,
        "User": lambda row: row.owner.username,
        "State": lambda row: row.state.value,
        "Items": lambda row: row.n_items,
        "Done": lambda row: row.n_completed,
        "Failed": lambda row: row.n_failed,
        "Items per second": lambda row: progress_of(row, now=timezone.now()).rate,
        "Created": lambda row: row.created_at.isoformat(),
        "Started": lambda row: row.started_at and row.started_at.isoformat(),
        "Finished": lambda row: row.finished_at and row.finished_at.isoformat(),
        "Error": lambda row: row.error,
    }

    class Media:
        css = {"all": ["services/batches.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        """Those that the user may see; others are as good as not there."""
        # What else is shown is read for the rows of a page: databases would sort through it.
        versions = Version.objects.select_related("service").only("version", "service__name")
        rows = Batch.objects.visible_to(user_of(request))
        return rows.prefetch_related(Prefetch("version", versions), "owner")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - the signature is Django's
        queryset: QuerySet[Batch],
        search_term: str,
    ) -> tuple[QuerySet[Batch], bool]:
        """The batches whose id begins so, found by the index however their number."""
        digits = search_term.strip().replace("-", "").lower()
        if not digits:
            return queryset, False
        if len(digits) > 32 or not set(digits) <= set("0123456789abcdef"):
            return queryset.none(), False
        first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        return queryset.filter(pk__gte=first, pk__lte=last), False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its rows knowing how far they are."""
        changes: ChangeList = super().get_changelist_instance(request)
        changes.empty_command = _COMMAND.format(url=request.build_absolute_uri("/"))
        now = timezone.now()
        is_owner = role_of(user_of(request)) == Role.OWNER
        for row in changes.result_list:
            row.progress_now = progress_of(row, now=now)
            row.leads_to_user = is_owner
        return changes

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, and whose batches it has."""
        sees_all = role_of(user_of(request)) == Role.OWNER
        return super().changelist_view(request, {"sees_all": sees_all, **(extra_context or {})})

    def page_of(self, object_id: str) -> str:
        """The page of the batch."""
        return reverse("console:batch", args=[UUID(object_id)])

    @admin.action(description="Cancel or delete")
    def cancel(self, request: HttpRequest, chosen: QuerySet[Batch]) -> TemplateResponse:
        """Ask before the batches are removed with all that came of them."""
        return ask(request, list(chosen[:MOST]))

    @admin.display(description="Batch")
    def batch(self, row: Batch) -> SafeString:
        """What it runs, and its id, which leads to its page."""
        assert row.version  # noqa: S101 - those without are not shown
        return format_html(
            '<span class="cell"><a class="batch-link" href="{}">{}</a><br>'
            '<small class="muted">{}</small></span>',
            reverse("console:batch", args=[row.pk]),
            f"{row.version.service.name}/{row.version.version}",
            str(row.pk)[:8],
        )

    @admin.display(description="State")
    def state_now(self, row: Batch) -> SafeString:
        """How far it is in a word, and what is wrong."""
        return badge(*label_of(row))

    @admin.display(description="Items")
    def progress(self, row: Any) -> SafeString:
        """How many are done."""
        shown = row.progress_now
        return format_html(
            '<span class="batch-bar"><progress class="progress" max="{}" value="{}"'
            ' aria-label="{} % done"></progress><span>{} of {}</span></span>',
            max(shown.n_items, 1),
            shown.n_done,
            shown.percent,
            f"{shown.n_done:,}",
            f"{shown.n_items:,}",
        )

    @admin.display(description="Failed")
    def failures(self, row: Batch) -> str:
        """How many items failed."""
        return f"{row.n_failed:,}"

    @admin.display(description="Rate")
    def rate(self, row: Any) -> str:
        """Items in a second."""
        rate = row.progress_now.rate
        return f"{number(rate)}/s" if rate else NOTHING

    @admin.display(description="Remaining")
    def remaining(self, row: Any) -> str:
        """How long it will take if it goes on so."""
        return duration(row.progress_now.remaining)

    @admin.display(description="User")
    def user(self, row: Any) -> SafeString | str:
        """Who started it; for Owners, who see everybody's, the way to them."""
        if not row.leads_to_user:
            return str(row.owner.username)
        address = reverse("console:person", args=[row.owner_id])
        return format_html('<a href="{}">{}</a>', address, row.owner.username)

    @admin.display(description="Started", ordering="created_at")
    def created(self, row: Batch) -> SafeString | str:
        """When it was sent."""
        return relative_time(row.created_at)

    @admin.display(description="Finished", ordering="finished_at")
    def finished(self, row: Batch) -> SafeString | str:
        """When the last item was done."""
        return relative_time(row.finished_at) if row.finished_at else NOTHING
