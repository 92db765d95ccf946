"""The list of compute nodes: the state of each and why, and how busy it is."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from mlops.accounts.models import User
from mlops.accounts.roles import role_for_nodes, role_of
from mlops.console.badges import badge
from mlops.console.lists import CsvList
from mlops.console.live_lists import LiveList
from mlops.console.read_only import LeadsOn, ReadOnlyAdmin
from mlops.console.shown import NOTHING, file_size, milliseconds, relative_time
from mlops.console.site import site
from mlops.csv_text import csv_lines
from nodes.console.changing import VERBS, ask
from nodes.console.shown import (
    COLOURS,
    memory_of,
    overview,
    security_of,
    shells_of,
    with_states,
)
from nodes.draining import Drains
from nodes.models import NodeEntry, NodeHealth

__all__ = ["NodeHealthAdmin"]


class StateFilter(admin.SimpleListFilter):
    """By the state now, which follows from what is stored (nodes/state.py)."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every state."""
        return [(name, name.capitalize()) for name in COLOURS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[NodeHealth]) -> Any:
        """The nodes in one of them."""
        if self.value() not in COLOURS:
            return queryset
        wanted = [
            node.health.pk
            for node in overview(request)
            if node.health and node.state.name == self.value()
        ]
        return queryset.filter(pk__in=wanted)


@admin.register(NodeHealth, site=site)
class NodeHealthAdmin(LeadsOn, LiveList, CsvList, ReadOnlyAdmin):
    """Each address that answers or should; members of ranges that never answered are no rows."""

    list_display = (
        "node",
        "state_now",
        "since_when",
        "latency",
        "python_shells",
        "r_shells",
        "work",
        "machine",
    )
    list_display_links = None  # the address leads to the page of the node
    list_filter = (StateFilter,)
    list_before_template = "nodes/before_nodes.html"
    live_summary_template = "nodes/summary.html"
    search_fields = ("address", "reason", "last_error")
    search_help_text = "An address, or what is wrong"
    ordering = ("address",)
    show_facets = admin.ShowFacets.NEVER
    actions = ("drain", "resume", "remove")
    empty_hint = (
        "No compute node has been looked at. Declare one with the button above; the worker looks "
        "every few seconds at what is declared. `make run` starts one on this machine."
    )
    empty_command = "make run"
    csv_columns = {
        "Address": lambda row: row.address,
        "State": lambda row: row.known.state.name,
        "Why": lambda row: _why(row),
        "Since": lambda row: row.known.state.since and row.known.state.since.isoformat(),
        "Drained by": lambda row: row.known.drained_by,
        "Last answer": lambda row: row.last_seen_at and row.last_seen_at.isoformat(),
        "Latency [ms]": lambda row: row.latency,
        "Python shells busy": lambda row: _figure(row, "Python", "n_busy"),
        "Python shells": lambda row: _figure(row, "Python", "n_now"),
        "R shells busy": lambda row: _figure(row, "R", "n_busy"),
        "R shells": lambda row: _figure(row, "R", "n_now"),
        "Calls": lambda row: row.n_calls,
        "Sessions": lambda row: row.n_sessions,
        "Warm versions": lambda row: row.n_loaded,
        "Memory [bytes]": memory_of,
        "Processors": lambda row: row.capacity,
        "Software": lambda row: row.version,
        "Isolation": lambda row: row.isolation,
        "Connection": lambda row: security_of(row, now=timezone.now()).text,
        "Log": lambda row: row.report.get("logPath", ""),
    }

    class Media:
        css = {"all": ["nodes/nodes.css"]}

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its rows knowing their states; what is drained is read once for all."""
        changes: ChangeList = super().get_changelist_instance(request)
        _give_states(changes.result_list)
        return changes

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with how many nodes are in each state."""
        counts = dict.fromkeys(COLOURS, 0)
        for node in overview(request):
            counts[node.state.name] += 1
        context = {
            "counts": [(name, number, COLOURS[name]) for name, number in counts.items()],
            "may_change": self.has_nodes_permission(request),
            "n_entries": NodeEntry.objects.count(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def page_of(self, object_id: str) -> str:
        """The page of the node."""
        return reverse("console:node", args=[int(object_id)])

    def has_nodes_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change the list of nodes."""
        role = role_of(request.user) if isinstance(request.user, User) else None
        return role is not None and role >= role_for_nodes()

    @admin.action(description="Drain", permissions=["nodes"])
    def drain(self, request: HttpRequest, chosen: QuerySet[NodeHealth]) -> TemplateResponse:
        """Ask before no new work is sent to the nodes."""
        return ask(request, VERBS["drain"], _addresses(chosen))

    @admin.action(description="Resume", permissions=["nodes"])
    def resume(self, request: HttpRequest, chosen: QuerySet[NodeHealth]) -> TemplateResponse:
        """Ask before work is sent to them again."""
        return ask(request, VERBS["resume"], _addresses(chosen))

    @admin.action(description="Remove", permissions=["nodes"])
    def remove(self, request: HttpRequest, chosen: QuerySet[NodeHealth]) -> TemplateResponse:
        """Ask before they are declared no longer."""
        return ask(request, VERBS["remove"], _addresses(chosen))

    def csv_of(self, found: QuerySet[Any]) -> Iterator[bytes]:
        """The headers and all rows, whose states follow from what is drained now."""
        yield csv_lines([list(self.csv_columns)])
        drains = Drains.read()
        for row in found.iterator(chunk_size=1000):
            _give_states([row], drains)
            yield csv_lines([[value(row) for value in self.csv_columns.values()]])

    @admin.display(description="Node", ordering="address")
    def node(self, row: NodeHealth) -> SafeString:
        """Its address, which leads to its page, its software, and how it is protected."""
        security = security_of(row, now=timezone.now())
        about = (row.version, row.isolation, security.text, security.why)
        return format_html(
            '<span class="cell"><a class="node-link" href="{}">{}</a><br>'
            '<small class="muted">{}</small></span>',
            reverse("console:node", args=[row.pk]),
            row.address.rstrip("/"),
            ", ".join(one for one in about if one),
        )

    @admin.display(description="State", ordering="state")
    def state_now(self, row: Any) -> SafeString:
        """Its state now, and why it is not simply ready or what else is worth knowing."""
        name = row.known.state.name
        return format_html(
            '<span class="node-state">{}</span>', badge(name, COLOURS[name], _why(row))
        )

    @admin.display(description="Since", ordering="since")
    def since_when(self, row: Any) -> SafeString | str:
        """When it entered the state."""
        return relative_time(row.known.state.since)

    @admin.display(description="Latency")
    def latency(self, row: NodeHealth) -> str:
        """How long it typically takes to answer a look."""
        return milliseconds(row.latency)

    @admin.display(description="Python", ordering="report__runtimes__Python__activeShellCount")
    def python_shells(self, row: NodeHealth) -> SafeString | str:
        """Its Python shells: busy ones of those there are."""
        return _bar(row, "Python")

    @admin.display(description="R", ordering="report__runtimes__R__activeShellCount")
    def r_shells(self, row: NodeHealth) -> SafeString | str:
        """Its R shells: busy ones of those there are."""
        return _bar(row, "R")

    @admin.display(description="Work", ordering="report__load__running")
    def work(self, row: NodeHealth) -> SafeString | str:
        """Calls, sessions and versions that it had loaded, when it answered last."""
        if not row.is_answering:
            return NOTHING
        return format_html(
            '<span class="two-lines">{}<br>{}<br>{}</span>',
            _counted(row.n_calls, "call"),
            _counted(row.n_sessions, "session"),
            _counted(row.n_loaded, "version"),
        )

    @admin.display(description="Machine", ordering="report__memory__shellBytes")
    def machine(self, row: NodeHealth) -> SafeString | str:
        """The memory that the node and its shells have, and its processors."""
        if not row.is_answering:
            return NOTHING
        processors = f"{row.capacity:g} CPUs" if row.capacity else ""
        return format_html(
            '<span class="two-lines">{}<br>{}</span>', file_size(memory_of(row)), processors
        )


def _give_states(rows: Any, drains: Drains | None = None) -> None:
    known = with_states(rows, drains or Drains.read(), now=timezone.now())
    for row, node in zip(rows, known, strict=True):
        row.known = node


def _why(row: Any) -> str:
    node = row.known
    said = [node.state.reason, node.note]
    if node.drained_by and node.state.name == "draining":
        said.append(f"Drained by {node.drained_by}.")
    return " ".join(one for one in said if one)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _figure(row: NodeHealth, runtime: str, name: str) -> object:
    shells = shells_of(row, runtime)
    return getattr(shells, name) if shells else None


def _bar(row: NodeHealth, runtime: str) -> SafeString | str:
    shells = shells_of(row, runtime)
    if shells is None:
        return NOTHING
    if shells.reason:
        return format_html('<span class="muted" title="{}">none</span>', shells.reason)
    return format_html(
        '<span class="shell-bar"><progress class="progress" max="{}" value="{}"'
        ' aria-label="{} shells busy"></progress><span>{} of {} busy</span></span>',
        max(shells.n_now, 1),
        shells.n_busy,
        runtime,
        shells.n_busy,
        shells.n_now,
    )


def _addresses(chosen: QuerySet[NodeHealth]) -> list[str]:
    return list(chosen.order_by("address").values_list("address", flat=True))
