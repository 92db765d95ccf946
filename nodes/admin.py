"""Compute nodes on the console."""

from itertools import islice
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from mlops.console.read_only import ReadOnlyAdmin
from mlops.console.shown import relative_time
from mlops.console.site import site
from nodes import uris
from nodes.draining import Drains
from nodes.models import NodeEntry, NodeHealth
from nodes.overview import KnownNode, known_node

_SHOWN_ADDRESSES = 20
_COLOURS = {
    "ready": "success",
    "degraded": "warning",
    "draining": "warning",
    "down": "danger",
    "unknown": "info",
}


@admin.register(NodeHealth, site=site)
class NodeHealthAdmin(ReadOnlyAdmin):
    """Each address that answers or should: its state, why, and how busy it is."""

    list_display = (
        "address",
        "current_state",
        "why",
        "since_when",
        "last_seen",
        "latency",
        "python_shells",
        "r_shells",
        "software",
    )
    fields = (*list_display, "calls", "sessions", "drained_by", "last_probe", "api", "log")
    readonly_fields = fields
    search_fields = ("address",)
    ordering = ("address",)
    empty_hint = (
        "No compute node has been looked at. The Celery worker looks every few seconds at the "
        "declared entries; `make run` starts it together with a compute node."
    )
    empty_command = "make run"

    def get_queryset(self, request: HttpRequest) -> QuerySet[NodeHealth]:
        """The rows; what is drained is read once for all of them."""
        self._drains = Drains.read()
        rows: QuerySet[NodeHealth] = super().get_queryset(request)
        return rows

    def _known(self, health: NodeHealth) -> KnownNode:
        return known_node(health.address, health, self._drains, now=timezone.now())

    @display(description="State", label=_COLOURS)  # type: ignore[untyped-decorator]
    def current_state(self, health: NodeHealth) -> str:
        """Its state now, coloured."""
        return self._known(health).state.name

    @admin.display(description="Why")
    def why(self, health: NodeHealth) -> str:
        """Why it is not simply ready, or what else is worth knowing."""
        node = self._known(health)
        return " ".join(one for one in (node.state.reason, node.note) if one)

    @admin.display(description="Since")
    def since_when(self, health: NodeHealth) -> SafeString | str:
        """When it entered the state."""
        return relative_time(self._known(health).state.since)

    @admin.display(description="Drained by")
    def drained_by(self, health: NodeHealth) -> str:
        """Who took it out of work."""
        return self._known(health).drained_by or "-"

    @admin.display(description="Latency")
    def latency(self, health: NodeHealth) -> str:
        """How long it typically takes to answer a look."""
        return "-" if health.latency is None else f"{health.latency:.1f} ms"

    @admin.display(description="Calls")
    def calls(self, health: NodeHealth) -> int:
        """Calls that ran or waited there when it answered last."""
        return health.n_calls

    @admin.display(description="Sessions")
    def sessions(self, health: NodeHealth) -> int:
        """Sessions that it held when it answered last."""
        return health.n_sessions

    @admin.display(description="API version")
    def api(self, health: NodeHealth) -> str:
        """Of the compute node API that it speaks."""
        return str(health.report.get("apiVersion", ""))

    @admin.display(description="Last answer", ordering="last_seen_at")
    def last_seen(self, health: NodeHealth) -> SafeString | str:
        """When it last answered."""
        return relative_time(health.last_seen_at)

    @admin.display(description="Last look")
    def last_probe(self, health: NodeHealth) -> SafeString | str:
        """When the prober last looked."""
        return relative_time(health.last_probe_at)

    @admin.display(description="Software")
    def software(self, health: NodeHealth) -> str:
        """The version of the software on the node."""
        return health.version

    @admin.display(description="Log")
    def log(self, health: NodeHealth) -> str:
        """Where the node writes its log."""
        return str(health.report.get("logPath", ""))

    @admin.display(description="Python shells")
    def python_shells(self, health: NodeHealth) -> str:
        """Its Python shells in use, of those there are."""
        return _shells(health, "Python")

    @admin.display(description="R shells")
    def r_shells(self, health: NodeHealth) -> str:
        """Its R shells in use, of those there are."""
        return _shells(health, "R")


@admin.register(NodeEntry, site=site)
class NodeEntryAdmin(ReadOnlyAdmin):
    """The declared entries as their administrators wrote them, ranges unexpanded."""

    list_display = ("declared_uri", "addresses", "answering", "declared")
    fields = ("declared_uri", "addresses", "expansion", "declared")
    readonly_fields = fields
    search_fields = ("uri",)
    ordering = ("uri",)
    empty_hint = "No compute node is declared. `make run` declares the one that it starts."
    empty_command = "make run"

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its entries knowing how many of their addresses answer."""
        changes: ChangeList = super().get_changelist_instance(request)
        answering = [
            uris.parse(health.address) for health in NodeHealth.objects.all() if health.is_answering
        ]
        for entry in changes.result_list:
            entry.n_answering = sum(map(uris.parse(entry.uri).contains, answering))
        return changes

    @admin.display(description="URI", ordering="uri")
    def declared_uri(self, entry: NodeEntry) -> str:
        """The entry as it is declared, ranges unexpanded."""
        return entry.uri

    @admin.display(description="Addresses")
    def addresses(self, entry: NodeEntry) -> int:
        """How many addresses it stands for."""
        return uris.count(entry.uri)

    @admin.display(description="Stands for")
    def expansion(self, entry: NodeEntry) -> SafeString:
        """The first of its addresses."""
        shown = [(address,) for address in islice(uris.expand(entry.uri), _SHOWN_ADDRESSES)]
        more = uris.count(entry.uri) - len(shown)
        if more:
            shown.append((f"and {more} more",))
        return format_html_join("", "<div>{}</div>", shown)

    @admin.display(description="Answering")
    def answering(self, entry: Any) -> int:
        """How many of them answer."""
        return int(entry.n_answering)

    @admin.display(description="Declared", ordering="created_at")
    def declared(self, entry: NodeEntry) -> SafeString | str:
        """When it was added."""
        return relative_time(entry.created_at)


def _shells(health: NodeHealth, runtime: str) -> str:
    pool = health.report.get("runtimes", {}).get(runtime, {})
    if not health.is_answering or not pool.get("available"):
        return "-"
    return f"{pool['activeShellCount']} of {pool['currentPoolSize']} busy"
