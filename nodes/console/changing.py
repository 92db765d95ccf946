"""Draining, resuming and removing nodes, each after a look at what hangs on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from mlops.accounts.roles import role_for_nodes
from mlops.console.api_calls import ApiCall
from mlops.console.pages import page, render, user_of
from mlops.errors import InvalidRequest, MlopsError
from nodes import uris
from nodes.actions import remove_nodes
from nodes.console.extensions import names_of
from nodes.declared import Cover, declared_entries, drained_entries
from nodes.dependents import dependents, known_members
from nodes.draining import drain_nodes, resume_nodes

_SHOWN = 20  # addresses by name
_LIST = "console:nodes_nodehealth_changelist"


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that is done to nodes."""

    name: str
    button: str
    does: str
    is_danger: bool
    action: Callable[..., None]
    done: str
    call: tuple[str, str]  # the same of the REST API


VERBS: Mapping[str, Verb] = {
    "drain": Verb(
        "drain",
        "Drain",
        "No new calls, sessions and dedicated pools go there. What runs ends by itself, and open"
        " sessions stay in use until they are closed.",
        False,
        drain_nodes,
        "No new work goes to {}.",
        ("POST", "/computenodes/drain"),
    ),
    "resume": Verb(
        "resume",
        "Resume",
        "New calls and sessions go there again.",
        False,
        resume_nodes,
        "Work goes to {} again.",
        ("POST", "/computenodes/resume"),
    ),
    "remove": Verb(
        "remove",
        "Remove",
        "They are declared no longer and called no more: calls that run there fail, and their"
        " sessions are lost. Drain first what is in use.",
        True,
        remove_nodes,
        "Declared no longer: {}.",
        ("DELETE", "/computenodes"),
    ),
}


def ask(
    request: HttpRequest,
    verb: Verb,
    entries: Sequence[str],
    *,
    problem: str = "",
    status: int = 200,
) -> TemplateResponse:
    """The page that shows what hangs on the entries, and asks whether to go on."""
    entries, left_out = _possible(verb, entries)
    addresses = known_members(entries)
    hanging = dependents(addresses)
    pools, only_warm = sorted(hanging.pools)[:_SHOWN], sorted(hanging.only_warm)[:_SHOWN]
    named = names_of(request, {*only_warm, *pools})
    context = {
        "verb": verb,
        "verb_url": f"console:nodes_{verb.name}",
        "entries": entries,
        "shown": entries[:_SHOWN],
        "n_more": max(0, len(entries) - _SHOWN),
        "n_known": len(addresses),
        "left_out": left_out[:_SHOWN],
        "n_left_out": len(left_out),
        "hanging": hanging,
        "pools": [named[one] for one in pools if one in named],
        "only_warm": [named[one] for one in only_warm if one in named],
        "problem": problem,
        "back": reverse(_LIST),
        "call": _call(request, verb, entries),
    }
    title = f"{verb.button} {_named(entries)}" if entries else verb.button
    return render(request, "nodes/change.html", context, title=title, status=status)


@page("nodes/drain/", name="nodes_drain", role=role_for_nodes, posts=role_for_nodes)
def drain(request: HttpRequest) -> HttpResponseBase:
    """Take nodes out of work."""
    return _change(request, VERBS["drain"])


@page("nodes/resume/", name="nodes_resume", role=role_for_nodes, posts=role_for_nodes)
def resume(request: HttpRequest) -> HttpResponseBase:
    """Send work to nodes again."""
    return _change(request, VERBS["resume"])


@page("nodes/remove/", name="nodes_remove", role=role_for_nodes, posts=role_for_nodes)
def remove(request: HttpRequest) -> HttpResponseBase:
    """Declare nodes no longer."""
    return _change(request, VERBS["remove"])


def _change(request: HttpRequest, verb: Verb) -> HttpResponseBase:
    given = request.POST if request.method == "POST" else request.GET
    entries = [entry for entry in given.getlist("entry") if entry]
    if not entries:
        raise InvalidRequest("Choose nodes in the list first: none is named here.")
    entries = uris.normalise_list(entries)
    if request.method != "POST" or "confirmed" not in request.POST:
        return ask(request, verb, entries)
    try:
        verb.action(user=user_of(request), entries=entries)
    except MlopsError as error:
        return ask(request, verb, entries, problem=error.message, status=error.status)
    messages.success(request, verb.done.format(_named(entries)))
    return HttpResponseRedirect(reverse(_LIST))


def _named(entries: Sequence[str]) -> str:
    return entries[0].rstrip("/") if len(entries) == 1 else f"{len(entries)} compute nodes"


def _call(request: HttpRequest, verb: Verb, entries: Sequence[str]) -> ApiCall | None:
    if not 0 < len(entries) <= _SHOWN:
        return None
    method, path = verb.call
    return ApiCall(request.build_absolute_uri("/"), method, path, {"entries": list(entries)})


def _possible(verb: Verb, entries: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Those of the entries to which it can be done; the others, and why not."""
    if verb.name == "drain":
        return list(entries), []
    cover = Cover(declared_entries() if verb.name == "remove" else drained_entries())
    possible, others = [], []
    for entry in entries:
        shared = cover.shared_with(uris.parse(entry))
        if verb.name == "resume" and not shared:
            others.append((entry, "it is not drained"))
        elif verb.name == "remove" and entry not in [text for text, _ in shared]:
            ranges = ", ".join(text for text, _ in shared) or "no entry"
            others.append((entry, f"it is declared as part of {ranges}: remove that, or drain it"))
        else:
            possible.append(entry)
    return possible, others
