"""Changes to the list of declared compute nodes (wire-api section 7).

All raise InvalidRequest, with nothing changed, when an entry is wrong or the whole list names too
many addresses. Entries are compared in their normal spelling. What is no longer declared is not
called any more; its sessions are lost.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops.accounts.audit import record
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import require_role, role_for_nodes
from mlops.accounts.serving import operator
from mlops.errors import InvalidRequest
from nodes import uris
from nodes.declared import AT_ONCE, changing, declared_entries
from nodes.models import NodeEntry

if TYPE_CHECKING:
    from mlops.accounts.models import User


def declare_node(*, uri: str, is_local: bool = False) -> NodeEntry:
    """The entry for `uri`, added unless it was there already; for the program itself.

    A local one is the node that runs beside this web node: it takes the place of the former local
    entry, whose port may have changed.
    """
    (spelling,) = uris.normalise_list([uri])
    with changing():
        before = declared_entries()
        if is_local:
            NodeEntry.objects.filter(is_local=True).exclude(uri=spelling).delete()
        _add([spelling])
        entry = NodeEntry.objects.get(uri=spelling)
        if is_local and not entry.is_local:
            entry.is_local = True
            entry.save()
        if declared_entries() != before:
            _record("add compute nodes", operator(), [spelling], before)
    return entry


@noting_refusals("add compute nodes")
def add_nodes(*, user: "User", entries: Sequence[str]) -> None:
    """Declare the entries too; those that are there already stay as they are."""
    require_role(user, role_for_nodes())
    added = uris.normalise_list(entries)
    with changing():
        before = declared_entries()
        _add(added)
        _record("add compute nodes", user, added, before)


@noting_refusals("remove compute nodes")
def remove_nodes(*, user: "User", entries: Sequence[str]) -> None:
    """Declare the entries no longer; raises InvalidRequest for one that is not in the list."""
    require_role(user, role_for_nodes())
    removed = uris.normalise_list(entries)
    with changing():
        before = declared_entries()
        unknown = sorted(set(removed) - set(before))
        if unknown:
            raise InvalidRequest(
                f"Not in the list, so nothing was removed: {', '.join(unknown)}. Entries are"
                " removed as they are listed; a part of a range cannot be.",
                fields="entries",
            )
        for start in range(0, len(removed), AT_ONCE):
            NodeEntry.objects.filter(uri__in=removed[start : start + AT_ONCE]).delete()
        _record("remove compute nodes", user, removed, before)


@noting_refusals("replace compute nodes")
def replace_nodes(*, user: "User", entries: Sequence[str]) -> None:
    """Declare these entries, in this order, and no others."""
    require_role(user, role_for_nodes())
    declared = uris.normalise_list(entries)
    with changing():
        before = declared_entries()
        local = set(NodeEntry.objects.filter(is_local=True).values_list("uri", flat=True))
        NodeEntry.objects.all().delete()
        NodeEntry.objects.bulk_create(NodeEntry(uri=uri, is_local=uri in local) for uri in declared)
        _record("replace compute nodes", user, declared, before)


def _record(action: str, user: "User | str", entries: Sequence[str], before: Sequence[str]) -> None:
    """Note the action, and which entries came and went with it."""
    after = declared_entries()
    gone, come = set(before) - set(after), set(after) - set(before)
    record(
        action,
        user=user,
        object=", ".join(entries),
        before={"entries": [uri for uri in before if uri in gone]},
        after={"entries": [uri for uri in after if uri in come]},
    )


def _add(spellings: Sequence[str]) -> None:
    known = dict.fromkeys(declared_entries())
    uris.normalise_list([*known, *spellings])  # the bound is on the whole list
    NodeEntry.objects.bulk_create(NodeEntry(uri=uri) for uri in spellings if uri not in known)
