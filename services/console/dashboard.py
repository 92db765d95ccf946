"""The dashboard: is all well?"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from mlops.accounts.audit import SUCCESS
from mlops.accounts.models import AuditEntry, User
from mlops.accounts.roles import Role, role_of
from mlops.console import shown
from mlops.console.pages import caller_of, is_fragment, page, render, user_of
from mlops.usage.minutes import minute_of, moment_of
from nodes.overview import KnownNode, known_nodes
from services import leftovers
from services.attention import Concern, concerns
from services.console.usage_charts import usage_of
from services.models import VersionQuerySet
from services.overview import versions_for
from services.usage import scopes
from services.usage.reading import Sums, has_any, sums

NODES_SHOWN = 120
REASONS_SHOWN = 5
CONCERNS_SHOWN = 6
CHANGES_SHOWN = 6
_MINUTES = 5  # over which the figures of this moment are taken
_ENTRIES_LOOKED_AT = 200
# What people do all day long and that changes nothing.
_NO_CHANGES = {
    *("sign in", "sign out", "start batch", "cancel batch", "remove audit entries"),
    *("start diagnostics", "start trace", "start capacity evaluation", "evaluate capacity"),
    *("trace code", "trace service", "open session", "close session"),
    *("create snapshot", "load snapshot", "delete snapshot"),
}

_WORST_FIRST = ("down", "unknown", "degraded", "draining", "ready")
_COLOURS = {
    "ready": "success",
    "degraded": "warning",
    "draining": "info",
    "down": "danger",
    "unknown": "neutral",
}


_PAGE = "services/dashboard.html"
_TEMPLATES = {"now": "services/dashboard_now.html", "charts": "services/usage.html"}


@page("", name="index")
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """Figures of this moment, charts, nodes, what needs attention, and the latest changes."""
    versions = versions_for(caller_of(request))
    part = request.GET.get("part", "") if is_fragment(request) else ""
    context: dict[str, object] = {}
    if part != "charts":
        context |= _of_this_moment(request, versions)
    if part != "now":
        context["usage"] = usage_of(request, scopes.EVERYTHING, versions=versions)
    return render(request, _TEMPLATES.get(part, _PAGE), context, title="Dashboard")


def _of_this_moment(request: HttpRequest, versions: VersionQuerySet) -> dict[str, object]:
    now, user = timezone.now(), user_of(request)
    nodes = known_nodes(now=now)
    found = concerns(user, nodes, now=now)
    return {
        "tiles": [*_traffic(now), _shells(nodes)],
        "nodes": NodesStrip.of(nodes),
        "concerns": [_linked(each) for each in found[:CONCERNS_SHOWN]],
        "n_more_concerns": max(0, len(found) - CONCERNS_SHOWN),
        "changes": _latest_changes(user, versions),
        "first_steps": _first_steps(user, versions),
    }


# Figures.


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure, and how it was before."""

    label: str
    figure: str
    note: str
    colour: str = ""


def _traffic(now: datetime) -> list[Tile]:
    """The figures of the last minutes, this one included, beside those of the hour before."""
    since = moment_of(minute_of(now) - _MINUTES + 1)
    minutes = (now - since).total_seconds() / 60
    current = sums(scopes.EVERYTHING, since, now + timedelta(minutes=1))
    before = sums(scopes.EVERYTHING, since - timedelta(hours=1), since)
    rate, former_rate = current.calls / minutes, before.calls / 60
    return [
        Tile("Requests / min", shown.number(_rounded(rate)), _change(rate, former_rate)),
        *(_time(label, share, current, before) for label, share in _SHARES),
        Tile(
            "Error rate",
            shown.percent(current.error_rate),
            _was(shown.percent(before.error_rate), before),
            "danger" if (current.error_rate or 0) >= 0.05 else "",
        ),
    ]


_SHARES = (("Median time (p50)", 0.5), ("p95", 0.95), ("p99", 0.99))


def _time(label: str, share: float, current: Sums, before: Sums) -> Tile:
    was = _was(shown.milliseconds(before.milliseconds(share)), before)
    return Tile(label, shown.milliseconds(current.milliseconds(share)), was)


def _was(text: str, before: Sums) -> str:
    return f"{text} in the hour before" if before.calls else "no calls in the hour before"


def _rounded(rate: float) -> float:
    return round(rate) if rate >= 10 else round(rate, 1)


def _change(rate: float, former: float) -> str:
    if not former:
        return "no calls in the hour before" if not rate else "up from none in the hour before"
    if not rate:
        return f"{shown.number(_rounded(former))} in the hour before"
    change = rate / former - 1
    if abs(change) < 0.01:
        return "as in the hour before"
    sign = "\N{BLACK UP-POINTING TRIANGLE}" if change > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"
    if change > 1:
        return f"{sign} {shown.number(_rounded(rate / former))} times the hour before"
    return f"{sign} {shown.percent(abs(change))} to the hour before"


def _shells(nodes: Iterable[KnownNode]) -> Tile:
    busy, there = Counter[str](), Counter[str]()
    for node in nodes:
        if node.health is None or node.state.name in ("down", "unknown"):
            continue
        for name, pool in node.health.report.get("runtimes", {}).items():
            if pool.get("available"):
                busy[name] += int(pool.get("activeShellCount", 0))
                there[name] += int(pool.get("currentPoolSize", 0))
    note = ", ".join(f"{name} {busy[name]} of {there[name]}" for name in sorted(there))
    return Tile("Busy shells", f"{busy.total():,}", note or "no node has shells")


# Nodes.


@dataclass(frozen=True, slots=True)
class Square:
    """A node in the strip."""

    address: str
    state: str
    colour: str
    why: str
    link: str


@dataclass(frozen=True, slots=True)
class NodesStrip:
    """The nodes, the worst first; not all of a thousand."""

    squares: Sequence[Square]
    counts: Sequence[tuple[str, str, int]]  # state, colour, nodes
    reasons: Sequence[Square]  # of those that are not ready
    n_nodes: int

    @classmethod
    def of(cls, nodes: Sequence[KnownNode]) -> "NodesStrip":
        """What is known of all nodes, as far as it is shown."""
        worst_first = sorted(nodes, key=lambda node: _WORST_FIRST.index(node.state.name))
        squares = [_square(node) for node in worst_first[:NODES_SHOWN]]
        numbers = Counter[str](node.state.name for node in nodes)
        counts = [(name, _COLOURS[name], numbers[name]) for name in _WORST_FIRST if numbers[name]]
        reasons = [each for each in squares if each.why][:REASONS_SHOWN]
        return cls(squares, counts, reasons, len(nodes))

    @property
    def n_more(self) -> int:
        """How many have no square."""
        return self.n_nodes - len(self.squares)


def _square(node: KnownNode) -> Square:
    name = node.state.name
    why = node.state.reason if name != "ready" else ""
    if node.health is None:
        link = reverse("console:nodes_nodehealth_changelist")
    else:
        link = reverse("console:node", args=[node.health.pk])
    return Square(node.address.rstrip("/"), name, _COLOURS[name], why, link)


# What needs attention, and what has changed.


@dataclass(frozen=True, slots=True)
class Line:
    """A line that leads somewhere."""

    text: str
    reason: str
    link: str
    at: datetime | None = None
    is_grave: bool = False


def _linked(concern: Concern) -> Line:
    link = reverse("console:nodes_nodehealth_changelist")
    if concern.kind == "batches":
        link = reverse("console:services_batch_changelist")
    elif concern.version:
        link = _version_address(*concern.version)
    return Line(concern.about, concern.reason, link, is_grave=concern.is_grave)


def _version_address(name: str, version: str) -> str:
    path = f"service/{quote(name, safe='')}/{quote(version, safe='')}/"
    return f"{reverse('console:index')}{path}"


def _latest_changes(user: User, versions: VersionQuerySet) -> list[Line]:
    """From the audit trail for Owners; for others what was published that they may consume."""
    if role_of(user) == Role.OWNER:
        entries = AuditEntry.objects.order_by("-pk")[:_ENTRIES_LOOKED_AT]
        changing = (each for each in entries if _is_lasting_change(each))
        lines = [
            Line(
                f"{entry.action} {entry.object}".strip(),
                entry.username or "somebody",
                reverse("console:accounts_auditentry_change", args=[entry.pk]),
                entry.at,
            )
            for entry in changing
        ]
        return lines[:CHANGES_SHOWN]
    rows = versions.order_by("-updated_at").values_list(
        "service__name", "version", "published_by", "created_at", "updated_at"
    )[:CHANGES_SHOWN]
    return [
        Line(
            f"{'publish' if updated - created < timedelta(seconds=10) else 'change'} version "
            f"{name}/{version}",
            publisher,
            _version_address(name, version),
            updated,
        )
        for name, version, publisher, created, updated in rows
    ]


def _is_lasting_change(entry: AuditEntry) -> bool:
    """Whether it changed something, and not for a test alone, which leaves nothing behind."""
    return (
        entry.outcome == SUCCESS
        and entry.action not in _NO_CHANGES
        and not entry.object.startswith(leftovers.PREFIX)
    )


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What to do on a new installation."""

    text: str
    command: str


def _first_steps(user: User, versions: VersionQuerySet) -> FirstSteps | None:
    """None once something was called."""
    if has_any():
        return None
    latest = versions.order_by("-created_at").values_list("service__name", "version").first()
    if latest is not None:
        name, version = latest
        text = f"Nothing was called yet. Call {name}/{version} on the machine of a web node:"
        return FirstSteps(text, f"python manage.py score {name} {version}")
    if role_of(user) == Role.READER:
        return FirstSteps("Nothing is published yet that you may use: ask a colleague who may.", "")
    text = "Nothing is published yet. Publish a folder with a service.toml and your code:"
    return FirstSteps(text, "python manage.py publish path/to/folder")
