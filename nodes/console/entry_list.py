"""The list of declared entries, ranges unexpanded."""

from itertools import islice
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from mlops.accounts.models import User
from mlops.accounts.roles import role_for_nodes, role_of
from mlops.console.lists import CsvList
from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from nodes import uris
from nodes.console.changing import VERBS, ask
from nodes.draining import Drains
from nodes.models import NodeEntry, NodeHealth

_SHOWN_ADDRESSES = 20


@admin.register(NodeEntry, site=site)
class NodeEntryAdmin(CsvList, ReadOnlyAdmin):
    """The declared entries as their administrators wrote them."""

    list_display = ("declared_uri", "addresses", "answering", "drained", "declared")
    list_before_template = "nodes/before_entries.html"
    fields = ("declared_uri", "addresses", "expansion", "declared")
    readonly_fields = fields
    search_fields = ("uri",)
    ordering = ("uri",)
    actions = ("drain", "resume", "remove")
    empty_hint = (
        "No compute node is declared. Declare one with the button above; `make run` starts and"
        " declares one on this machine."
    )
    empty_command = "make run"
    csv_columns = {
        "Entry": lambda row: row.uri,
        "Addresses": lambda row: uris.count(row.uri),
        "Declared": lambda row: row.created_at.isoformat(),
    }

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its entries knowing how many of their addresses answer, and their drains."""
        changes: ChangeList = super().get_changelist_instance(request)
        rows = NodeHealth.objects.only("address", "state", "last_seen_at")
        answering = [uris.parse(row.address) for row in rows if row.is_answering]
        drains = Drains.read()
        for entry in changes.result_list:
            uri = uris.parse(entry.uri)
            entry.n_answering = sum(map(uri.contains, answering))
            entry.drain = drains.about(uri)
        return changes

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The list, with the way to declare more for who may."""
        context = {"may_change": self.has_nodes_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_nodes_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change the list of nodes."""
        role = role_of(request.user) if isinstance(request.user, User) else None
        return role is not None and role >= role_for_nodes()

    @admin.action(description="Drain", permissions=["nodes"])
    def drain(self, request: HttpRequest, chosen: QuerySet[NodeEntry]) -> TemplateResponse:
        """Ask before no new work is sent to what the entries name."""
        return ask(request, VERBS["drain"], _uris(chosen))

    @admin.action(description="Resume", permissions=["nodes"])
    def resume(self, request: HttpRequest, chosen: QuerySet[NodeEntry]) -> TemplateResponse:
        """Ask before work is sent there again."""
        return ask(request, VERBS["resume"], _uris(chosen))

    @admin.action(description="Remove", permissions=["nodes"])
    def remove(self, request: HttpRequest, chosen: QuerySet[NodeEntry]) -> TemplateResponse:
        """Ask before they are declared no longer."""
        return ask(request, VERBS["remove"], _uris(chosen))

    @admin.display(description="Entry", ordering="uri")
    def declared_uri(self, entry: NodeEntry) -> str:
        """The entry as it is declared, ranges unexpanded."""
        return entry.uri

    @admin.display(description="Addresses")
    def addresses(self, entry: NodeEntry) -> str:
        """How many addresses it stands for."""
        return f"{uris.count(entry.uri):,}"

    @admin.display(description="Stands for")
    def expansion(self, entry: NodeEntry) -> SafeString:
        """The first of its addresses."""
        shown = [(address,) for address in islice(uris.expand(entry.uri), _SHOWN_ADDRESSES)]
        more = uris.count(entry.uri) - len(shown)
        if more:
            shown.append((f"and {more:,} more",))
        return format_html_join("", "<div>{}</div>", shown)

    @admin.display(description="Answering")
    def answering(self, entry: Any) -> str:
        """How many of them answer."""
        return f"{entry.n_answering:,}"

    @admin.display(description="Drained")
    def drained(self, entry: Any) -> SafeString | str:
        """By whom it was taken out of work, whole or in part."""
        if entry.drain is None:
            return "no"
        text = "drained" if entry.drain.uri == entry.uri else f"in part: {entry.drain.uri}"
        by = f" by {entry.drain.by}" if entry.drain.by else ""
        return format_html("{}{}, {}", text, by, relative_time(entry.drain.since))

    @admin.display(description="Declared", ordering="created_at")
    def declared(self, entry: NodeEntry) -> SafeString | str:
        """When it was added."""
        return relative_time(entry.created_at)


def _uris(chosen: QuerySet[NodeEntry]) -> list[str]:
    return list(chosen.order_by("uri").values_list("uri", flat=True))
