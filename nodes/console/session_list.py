"""The list of sessions: everybody sees the own ones, Owners all."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from mlops.accounts.roles import Role, role_of
from mlops.console.badges import badge
from mlops.console.lists import CsvList
from mlops.console.live_lists import LiveList
from mlops.console.pages import page, render, user_of
from mlops.console.read_only import LeadsOn, ReadOnlyAdmin
from mlops.console.shown import duration, relative_time
from mlops.console.site import site
from mlops.errors import InvalidRequest
from mlops.jobs import running
from mlops.jobs.models import Job
from nodes.holding import visible_sessions
from nodes.models import NodeHealth, Runtime, Session

_LIST = "console:nodes_session_changelist"
_MOST = 1000  # sessions ended at once
_OPENING = timedelta(seconds=30)  # in which a node may not know it yet
_COMMAND = (
    'curl -X POST {url}sessions -H "Authorization: Bearer $MLOPS_TOKEN" '
    "-H 'Content-Type: application/json' -d '{{\"runtimeType\": \"Python\"}}'"
)


class RuntimeFilter(admin.SimpleListFilter):
    """By language."""

    title, parameter_name = "runtime", "runtime"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Both."""
        return [(name, name) for name in Runtime.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> Any:  # noqa: ARG002
        """The sessions of one of them."""
        return queryset.filter(runtime=self.value()) if self.value() else queryset


@admin.register(Session, site=site)
class SessionAdmin(LeadsOn, LiveList, CsvList, ReadOnlyAdmin):
    """Who has a shell to themselves, where, and since when."""

    list_display = ("session", "user", "runtime", "node_link", "state_now", "age", "idle", "end")
    list_display_links = None
    list_select_related = ("owner",)
    list_filter = (RuntimeFilter,)
    list_before_template = "nodes/before_sessions.html"
    live_summary_template = "nodes/ending.html"
    search_fields = ("id", "name", "node", "owner__username")
    search_help_text = "A name, user, node or id"
    ordering = ("-last_used_at", "-pk")
    show_facets = admin.ShowFacets.NEVER
    actions = ("end_them",)
    empty_hint = (
        "A session is a shell of one user: R and Python clients open one to run code and to keep"
        " its objects. Open one with a token of yours:"
    )
    csv_columns = {
        "Id": lambda row: str(row.pk),
        "Name": lambda row: row.name,
        "User": lambda row: row.owner.username,
        "Runtime": lambda row: row.runtime,
        "Node": lambda row: row.node,
        "Opened": lambda row: row.created_at.isoformat(),
        "Last used": lambda row: row.last_used_at.isoformat(),
    }

    class Media:
        css = {"all": ["nodes/nodes.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Those that the user may see; others are as good as not there."""
        return visible_sessions(user_of(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        """The sessions that fit; ids are written without dashes by some databases."""
        if len(search_term) == 36 and search_term.count("-") == 4:
            by_id = queryset.filter(pk__in=_ids([search_term]))
            if by_id.exists():
                return by_id, False
        found: tuple[QuerySet[Session], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return found

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, its rows knowing whether they are busy, as their nodes said last."""
        changes: ChangeList = super().get_changelist_instance(request)
        changes.empty_command = _COMMAND.format(url=request.build_absolute_uri("/"))
        nodes = {row.node for row in changes.result_list}
        known = NodeHealth.objects.in_bulk(list(nodes), field_name="address")
        is_owner = role_of(user_of(request)) == Role.OWNER
        for row in changes.result_list:
            row.health = known.get(row.node)
            row.leads_to_user = is_owner
        return changes

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with what is being ended."""
        context = {
            "ending": _ending(request),
            "sees_all": role_of(user_of(request)) == Role.OWNER,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def page_of(self, object_id: str) -> str:
        """The list, which says all there is to say."""
        return f"{reverse(_LIST)}?q={UUID(object_id)}"

    @admin.action(description="End")
    def end_them(self, request: HttpRequest, chosen: QuerySet[Session]) -> TemplateResponse:
        """Ask before the sessions are ended."""
        return _ask(request, list(chosen.select_related("owner")[:_MOST]))

    @admin.display(description="Session", ordering="name")
    def session(self, row: Session) -> SafeString:
        """Its name and id."""
        return format_html(
            '<span class="cell">{}<br><small class="muted">{}</small></span>',
            row.name or "unnamed",
            row.pk,
        )

    @admin.display(description="User", ordering="owner__username")
    def user(self, row: Any) -> SafeString | str:
        """Whose it is; for Owners, who see everybody's, the way to them."""
        if not row.leads_to_user:
            return str(row.owner.username)
        address = reverse("console:person", args=[row.owner_id])
        return format_html('<a href="{}">{}</a>', address, row.owner.username)

    @admin.display(description="Node", ordering="node")
    def node_link(self, row: Any) -> SafeString | str:
        """Where it is."""
        if row.health is None:
            return str(row.node).rstrip("/")
        address = reverse("console:node", args=[row.health.pk])
        return format_html('<a href="{}">{}</a>', address, row.node.rstrip("/"))

    @admin.display(description="State")
    def state_now(self, row: Any) -> SafeString:
        """Whether it runs something, as its node said last."""
        return badge(*_state(row))

    @admin.display(description="Opened", ordering="created_at")
    def age(self, row: Session) -> SafeString | str:
        """How long ago it was opened."""
        return relative_time(row.created_at)

    @admin.display(description="Idle for", ordering=F("last_used_at").desc())
    def idle(self, row: Session) -> str:
        """How long nobody has called it."""
        seconds = max(0, int((timezone.now() - row.last_used_at).total_seconds()))
        return duration(seconds) if seconds >= 60 else "under a minute"

    @admin.display(description="End")
    def end(self, row: Session) -> SafeString:
        """The way to end it."""
        address = f"{reverse('console:sessions_end')}?session={row.pk}"
        return format_html(
            '<a class="button" href="{}">End<span class="visually-hidden"> session {}</span></a>',
            address,
            row.name or row.pk,
        )


@page("sessions/end/", name="sessions_end", posts=Role.READER)
def end(request: HttpRequest) -> HttpResponseBase:
    """Ask before sessions are ended, and have a worker end them."""
    given = request.POST if request.method == "POST" else request.GET
    chosen = visible_sessions(user_of(request)).filter(pk__in=_ids(given.getlist("session")))
    sessions = list(chosen.select_related("owner")[:_MOST])
    if not sessions:
        raise InvalidRequest("None of these sessions is open any more.")
    if request.method != "POST" or "confirmed" not in request.POST:
        return _ask(request, sessions)
    ids = [str(session.pk) for session in sessions]
    running.start("end sessions", user=user_of(request), arguments={"session_ids": ids})
    n = len(ids)
    messages.success(request, f"{n} session{'' if n == 1 else 's'} will be gone in a moment.")
    return HttpResponseRedirect(reverse(_LIST))


def _ask(request: HttpRequest, sessions: list[Session]) -> TemplateResponse:
    n = len(sessions)
    context = {"sessions": sessions, "back": reverse(_LIST)}
    title = "End the session" if n == 1 else f"End {n} sessions"
    return render(request, "nodes/end_sessions.html", context, title=title)


def _ids(texts: list[str]) -> list[str]:
    """Those of the texts that can be ids."""
    found = []
    for text in texts[:_MOST]:
        try:
            found.append(str(UUID(text)))
        except ValueError:
            continue
    return found


def _state(row: Any) -> tuple[str, str, str]:
    health: NodeHealth | None = row.health
    if health is None:
        return "unknown", "neutral", "its node is not known"
    if not health.is_answering:
        return "unknown", "neutral", "its node does not answer"
    if str(row.pk) in health.report.get("busySessions", ()):
        return "busy", "warning", ""
    if _is_lost(row, health):
        return "lost", "danger", "its node was restarted: end it"
    return "idle", "success", ""


def _is_lost(session: Session, health: NodeHealth) -> bool:
    """Whether the node, which has answered since the session was opened, does not hold it."""
    held = health.report.get("sessionIds")
    if held is None or len(held) < health.n_sessions or health.last_seen_at is None:
        return False  # the node has not named all that it holds
    is_older = session.created_at < health.last_seen_at - _OPENING
    return is_older and str(session.pk) not in held


def _ending(request: HttpRequest) -> list[Job]:
    """What the user has lately asked to end: what is under way, and what went wrong."""
    lately = timezone.now() - timedelta(minutes=5)
    jobs = Job.objects.filter(owner=user_of(request), kind="end sessions", created_at__gt=lately)
    return [one for one in jobs.order_by("-created_at")[:5] if not one.is_ended or _went_wrong(one)]


def _went_wrong(job: Job) -> bool:
    return bool(job.error or (job.result or {}).get("failures"))
