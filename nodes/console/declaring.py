"""Declaring nodes, with a preview of what entries name while they are typed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from mlops.accounts.roles import role_for_nodes
from mlops.console.api_calls import ApiCall
from mlops.console.pages import is_fragment, page, render, user_of
from mlops.errors import InvalidRequest, MlopsError
from nodes import uris
from nodes.actions import add_nodes
from nodes.declared import Cover, declared_entries
from nodes.preview import Preview, preview

ADDRESSES_SHOWN = 12  # of one entry
ENTRIES_SHOWN = 50
_AT_CHARACTER = re.compile(r"at character (\d+): (.*)")
_MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it was typed, and what it names; else `fault`, and the place of it."""

    text: str
    preview: Preview | None = None
    is_known: bool = False  # declared already
    fault: str = ""
    before: str = ""  # what of the text is right
    wrong: str = ""  # and the rest

    @property
    def addresses(self) -> list[str]:
        """The first of what it names."""
        return list(islice(uris.expand(self.text), ADDRESSES_SHOWN)) if self.preview else []

    @property
    def n_more(self) -> int:
        """The others."""
        return max(0, self.preview.count - ADDRESSES_SHOWN) if self.preview else 0


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is typed, understood: nothing is declared."""

    lines: Sequence[Line]
    n_entries: int
    n_new: int  # entries that are not declared yet
    n_addresses: int  # of these
    fault: str  # of all together
    spelled: str  # what would be declared; empty when that cannot be

    @property
    def n_more(self) -> int:
        """Entries that are not among the lines."""
        return self.n_entries - len(self.lines)


def entries_in(text: str) -> list[str]:
    """The entries that are typed, separated by commas, blanks or new lines."""
    return [entry for entry in re.split(r"[,\s]+", text[:_MOST_CHARACTERS]) if entry]


def previewed(text: str) -> Previewed:
    """What the text would declare. Of many entries the first are shown, and those at fault."""
    entries = entries_in(text)
    declared = declared_entries()
    cover, known = Cover(declared), set(declared)
    lines: list[Line] = []
    new: dict[str, int] = {}
    n_faults = 0
    for entry in entries:
        line = _line(entry, cover, known, shares=len(lines) < ENTRIES_SHOWN)
        n_faults += bool(line.fault)
        if line.preview and not line.is_known:
            new[line.preview.uri] = line.preview.count
        if len(lines) < ENTRIES_SHOWN or (line.fault and n_faults <= ENTRIES_SHOWN):
            lines.append(line)
    fault = ""
    if n_faults:
        fault = "One entry is wrong." if n_faults == 1 else f"{n_faults} entries are wrong."
    else:
        try:
            uris.normalise_list([*declared, *new])
        except InvalidRequest as error:
            fault = error.message
    return Previewed(
        lines, len(entries), len(new), sum(new.values()), fault, "" if fault else " ".join(new)
    )


def _line(entry: str, cover: Cover, known: set[str], *, shares: bool) -> Line:
    try:
        found = preview(entry, cover if shares else Cover(()))
    except InvalidRequest as error:
        place = _AT_CHARACTER.search(error.message)
        at = int(place[1]) - 1 if place else 0
        fault = (place[2] if place else error.message).rstrip(".")
        return Line(entry, fault=fault, before=entry[:at], wrong=entry[at:] or "…")
    return Line(entry, found, is_known=found.uri in known)


@page("nodes/declare/", name="nodes_declare", role=role_for_nodes, posts=role_for_nodes)
def declare(request: HttpRequest) -> HttpResponseBase:
    """The form, and declaring what has been previewed.

    What is declared is what the preview showed: without scripts the first push of the button shows
    it, and the second declares.
    """
    given = request.POST if request.method == "POST" else request.GET
    text = given.get("entries", "")
    found = previewed(text)
    problem = ""
    if request.method == "POST" and not is_fragment(request):
        if found.spelled and request.POST.get("previewed") == found.spelled:
            try:
                add_nodes(user=user_of(request), entries=found.spelled.split())
            except MlopsError as error:
                problem = error.message
            else:
                return _done(request, found)
        elif not found.n_entries:
            problem = "Type the address of a compute node first."
    context = {
        "text": text,
        "found": found,
        "problem": problem,
        "overlaps": any(line.preview and line.preview.overlaps for line in found.lines),
        "call": _call(request, found),
    }
    template = "nodes/preview.html" if is_fragment(request) else "nodes/declare.html"
    status = 400 if problem and request.method == "POST" else 200
    title = "Declare compute nodes"
    return render(request, template, context, title=title, status=status)


def _call(request: HttpRequest, found: Previewed) -> ApiCall | None:
    if not found.spelled or found.n_new > ENTRIES_SHOWN:
        return None
    body = {"entries": found.spelled.split()}
    return ApiCall(request.build_absolute_uri("/"), "PUT", "/computenodes", body)


def _done(request: HttpRequest, found: Previewed) -> HttpResponseBase:
    addresses = "1 address" if found.n_addresses == 1 else f"{found.n_addresses:,} addresses"
    messages.success(
        request, f"Declared {addresses}. Within seconds each that answers is in the list."
    )
    return HttpResponseRedirect(reverse("console:nodes_nodehealth_changelist"))
