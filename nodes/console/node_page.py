"""The page of one compute node: all that is known of it."""

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from mlops.accounts.roles import role_for_nodes, role_of
from mlops.console.charts import Chart, Series
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.errors import NotFound
from mlops.usage.minutes import SPANS, Span
from nodes import uris
from nodes.console.extensions import charts_of, names_of
from nodes.console.shown import COLOURS, memory_of, security_of, shells_of
from nodes.declared import Cover, declared_entries
from nodes.draining import Drains
from nodes.holding import visible_sessions
from nodes.models import NodeHealth, Runtime, Session
from nodes.overview import known_node
from nodes.usage.reading import node_series

_SESSIONS_SHOWN = 100


@page("node/<int:pk>/", name="node")
def node(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What is known of the node; the live part of it alone for a page that is open."""
    health = NodeHealth.objects.filter(pk=pk).first()
    if health is None:
        raise NotFound(
            "This compute node is not known any more: it was removed, or is of a range and has"
            " not answered for long."
        )
    now = timezone.now()
    known = known_node(health.address, health, Drains.read(), now=now)
    sessions = Session.objects.filter(node=health.address)
    seen = visible_sessions(user_of(request)).filter(node=health.address)
    context: dict[str, Any] = {
        "health": health,
        "known": known,
        "colour": COLOURS[known.state.name],
        "shells": [shells for runtime in Runtime.values if (shells := shells_of(health, runtime))],
        "memory": memory_of(health),
        "report_memory": health.report.get("memory", {}),
        "security": security_of(health, now=now),
        "isolation": health.report.get("isolation", {}),
        "certificate": health.report.get("certificate"),
        "warm": _warm(request, health),
        "pools": _pools(request, health),
        "n_sessions": sessions.count(),
        "sessions": list(seen.select_related("owner").order_by("-last_used_at")[:_SESSIONS_SHOWN]),
        "live_address": request.get_full_path(),
    }
    if is_fragment(request):
        return render(request, "nodes/node_live.html", context, title=health.address)
    span = SPANS.get(request.GET.get("span", ""), SPANS["1h"])
    cover = Cover(declared_entries())
    context |= {
        "may_change": (role_of(user_of(request)) or 0) >= role_for_nodes(),
        "entries": [text for text, _ in cover.shared_with(uris.parse(health.address))],
        "charts": [
            *charts_of(health.address, span, now),
            *_charts(health.address, span, now),
        ],
        "span": span,
        "spans": list(SPANS.values()),
        "raw": json.dumps(health.report, indent=2, ensure_ascii=False),
    }
    return render(request, "nodes/node.html", context, title=f"Node {health.address.rstrip('/')}")


def _warm(request: HttpRequest, health: NodeHealth) -> dict[str, Any]:
    """The versions loaded there that the user may see, and how many others there are."""
    named = names_of(request, health.loaded)
    shown = sorted((named[one] for one in health.loaded if one in named), key=lambda one: one.text)
    return {"versions": shown, "n": health.n_loaded, "n_others": health.n_loaded - len(shown)}


def _pools(request: HttpRequest, health: NodeHealth) -> list[dict[str, Any]]:
    named = names_of(request, health.pool_bundles)
    return [
        {**pool, "version": named[pool["bundle"]]}
        for pool in health.report.get("pools", ())
        if pool.get("bundle") in named
    ]


def _charts(address: str, span: Span, now: datetime) -> list[Chart]:
    """How busy its shells were, what waited for them, and how fast it answered."""
    series = node_series(span, now=now, address=address)
    if series.is_empty:
        return []
    shells = [
        Series("Python, busy", series.python_busy, "primary", "area"),
        Series("Python, all", series.python_shells, "neutral"),
        Series("R, busy", series.r_busy, "success", "area"),
        Series("R, all", series.r_shells, "info"),
    ]
    queued = Series("In line", series.queued, "warning")
    return [
        Chart("Shells", series.times, [each for each in shells if any(each.values)], "shells"),
        Chart("Calls in line", series.times, [queued], "calls"),
        Chart("Latency", series.times, [Series("To a look", series.milliseconds)], "ms"),
    ]
