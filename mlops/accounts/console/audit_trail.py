"""The audit trail on the console, for Owners."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from mlops.accounts import audit_reading
from mlops.accounts.audit import REFUSED, SUCCESS
from mlops.accounts.models import AuditEntry
from mlops.accounts.roles import Role
from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from mlops.errors import InvalidRequest
from mlops.streaming import streamed

_COLOURS = {SUCCESS: "success", REFUSED: "danger"}


class _Filter(TextFilter):  # type: ignore[misc]
    """Entries that fit a text, see `audit_reading.matching`."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> Any:  # noqa: ARG002
        """Those of the entries."""
        if not (text := (self.value() or "").strip()):
            return queryset
        try:
            return audit_reading.matching(queryset, **{self.parameter_name: self.read(text)})
        except InvalidRequest as error:
            raise IncorrectLookupParameters(error.message) from None

    def read(self, text: str) -> Any:
        """What the text says."""
        return text

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # noqa: ARG002
        """The form, labelled by the title."""
        data = {self.parameter_name: self.value()}
        yield {"form": self.form_class(name=self.parameter_name, label=self.title, data=data)}


class UserFilter(_Filter):
    """By who did it."""

    title, parameter_name = "User", "user"


class ActionFilter(_Filter):
    """By what was done."""

    title, parameter_name = "Action, such as publish version", "action"


class ObjectFilter(_Filter):
    """By what it was done to, and what belongs to that."""

    title, parameter_name = "Object, such as churn or churn/v1", "object"


class SinceFilter(_Filter):
    """From a moment on."""

    title, parameter_name = "From, such as 2026-11-22 18:30 (UTC)", "since"

    def read(self, text: str) -> Any:
        """The moment."""
        return audit_reading.moment(text)


class UntilFilter(SinceFilter):
    """Before a moment."""

    title, parameter_name = "Before (UTC)", "until"


class OutcomeFilter(admin.SimpleListFilter):
    """By what came of it."""

    title, parameter_name = "outcome", "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Both outcomes."""
        return [(SUCCESS, "Success"), (REFUSED, "Refused")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> Any:  # noqa: ARG002
        """The entries of one of them."""
        return audit_reading.matching(queryset, outcome=self.value() or "")


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Every change and sign-in, the newest first."""

    needed_role = Role.OWNER
    list_display = ("when", "who", "action", "about", "result", "address")
    list_display_links = ("when",)
    list_filter = (OutcomeFilter, UserFilter, ActionFilter, ObjectFilter, SinceFilter, UntilFilter)
    list_filter_submit = True
    list_filter_sheet = True
    list_before_template = "console/audit_export.html"
    search_fields = ("username",)  # see get_search_results
    search_help_text = "A user, object, address, CorrelationId or LoginSessionId"
    ordering = ("-pk",)
    # The trail may be long: nothing is counted.
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    empty_hint = "Sign-ins and changes are noted here as they come."
    fields = (
        "moment",
        "who",
        "action",
        "about",
        "result",
        "reason",
        "changes",
        "address",
        "login_session_id",
        "correlation_id",
    )
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:  # noqa: ARG002
        """Whether it is the parameter of a filter."""
        return lookup in {each.parameter_name for each in self.list_filter}

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - the signature is Django's
        queryset: QuerySet[AuditEntry],
        search_term: str,
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """The entries that have the text as one of their names or ids, or in which it begins."""
        if text := search_term.strip():
            queryset = queryset.filter(
                Q(username=text)
                | Q(object__startswith=text)
                | Q(address=text)
                | Q(correlation_id=text)
                | Q(login_session_id=text)
            )
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        """The list's routes, and that of its CSV."""
        export = path("csv/", self.admin_site.admin_view(self.export), name="audit_csv")
        return [export, *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """What the list would show with the same filters, on all its pages, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_changelist_instance(request).queryset
        response = streamed(request, audit_reading.as_csv(found), content_type="text/csv")
        response["Content-Disposition"] = 'attachment; filename="audit-trail.csv"'
        return response

    @admin.display(description="When", ordering="pk")
    def when(self, entry: AuditEntry) -> SafeString | str:
        """How long ago."""
        return relative_time(entry.at)

    @admin.display(description="When")
    def moment(self, entry: AuditEntry) -> str:
        """To the millisecond."""
        return f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03} UTC"

    @admin.display(description="User")
    def who(self, entry: AuditEntry) -> str:
        """Who did it."""
        return entry.username or "nobody known"

    @admin.display(description="Object")
    def about(self, entry: AuditEntry) -> str:
        """What it was done to."""
        return entry.object or "-"

    @display(description="Outcome", label=_COLOURS)  # type: ignore[untyped-decorator]
    def result(self, entry: AuditEntry) -> str:
        """What came of it, coloured."""
        return entry.outcome

    @admin.display(description="Changes")
    def changes(self, entry: AuditEntry) -> SafeString | str:
        """What each member was before and is after it."""
        before, after = entry.before or {}, entry.after or {}
        if not {**before, **after}:
            return "-"
        rows = ((name, _shown(before, name), _shown(after, name)) for name in {**before, **after})
        return format_html(
            '<table class="audit-changes">'
            "<tr><th></th><th>Before</th><th>After</th></tr>{}</table>",
            format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows),
        )


def _shown(members: dict[str, Any], name: str) -> SafeString | str:
    """A member's value as people read it."""
    value = members.get(name)
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="source-code">{}</pre>', text)
