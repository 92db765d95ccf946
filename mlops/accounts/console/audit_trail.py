"""The audit trail on the console, for Owners."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from mlops.accounts import audit_reading
from mlops.accounts.audit import REFUSED, SUCCESS
from mlops.accounts.console.audit_changes import changes_of
from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role
from mlops.console.lists import CsvList
from mlops.console.object_links import address_of_object
from mlops.console.pages import render
from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from mlops.errors import InvalidRequest

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
class AuditEntryAdmin(CsvList, ReadOnlyAdmin):
    """Every change and sign-in, the newest first."""

    needed_role = Role.OWNER
    list_display = ("when", "who", "action", "about", "result", "address")
    list_display_links = ("when",)
    list_filter = (OutcomeFilter, UserFilter, ActionFilter, ObjectFilter, SinceFilter, UntilFilter)
    list_filter_submit = True
    list_filter_sheet = True
    csv_name = "audit-trail"
    search_fields = ("username",)  # see get_search_results
    search_help_text = "A user, object, address, CorrelationId or LoginSessionId"
    ordering = ("-pk",)
    # The trail may be long: nothing is counted.
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    empty_hint = "Sign-ins and changes are noted here as they come."

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

    def csv_of(self, found: QuerySet[AuditEntry]) -> Iterator[bytes]:
        """All that is known of each entry, however many they are."""
        return audit_reading.as_csv(found)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - the signature is Django's
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """The page of an entry: what changed, and ways to what belongs to it."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        entry = self.get_object(request, unquote(object_id))
        if entry is None:
            raise Http404
        context = {
            "entry": entry,
            "moment": f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03} UTC",
            "changes": changes_of(entry),
            "object_address": address_of_object(entry),
            "person": User.objects.filter(username=entry.username).first(),
            "trail": reverse("console:accounts_auditentry_changelist"),
        }
        title = f"{entry.action[:1].upper()}{entry.action[1:]}"
        return render(request, "accounts/audit_entry.html", context, title=title)

    @admin.display(description="When", ordering="pk")
    def when(self, entry: AuditEntry) -> SafeString | str:
        """How long ago."""
        return relative_time(entry.at)

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
