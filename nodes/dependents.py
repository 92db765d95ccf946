"""What hangs on compute nodes, before somebody takes them out of work or out of the list."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from nodes import uris
from nodes.models import NodeHealth, Session

SHOWN = 50  # sessions; of more the number is said


@dataclass(frozen=True, slots=True)
class Dependents:
    """What the nodes did when they answered last, and what no other node has at hand."""

    n_calls: int
    n_sessions: int
    sessions: tuple[Session, ...]  # the first of them, the longest open first
    pools: tuple[str, ...]  # bundles that have a dedicated pool there
    only_warm: tuple[str, ...]  # bundles that no other node has loaded: their next call is slow
    are_last: bool  # whether no other node answers

    @property
    def n_more_sessions(self) -> int:
        """Sessions that are not among `sessions`."""
        return self.n_sessions - len(self.sessions)


def dependents(addresses: Collection[str]) -> Dependents:
    """What hangs on the nodes at these addresses; two statements, however many they are."""
    asked = set(addresses)
    rows = list(NodeHealth.objects.only("address", "report", "state", "last_seen_at"))
    here = [row for row in rows if row.address in asked]
    others = [row for row in rows if row.address not in asked and row.is_answering]
    loaded = {bundle for row in here for bundle in row.loaded}
    loaded -= {bundle for row in others for bundle in row.loaded}
    sessions = Session.objects.select_related("owner").order_by("created_at", "pk")
    on_them = [session for session in sessions if session.node in asked]
    return Dependents(
        n_calls=sum(row.n_calls for row in here if row.is_answering),
        n_sessions=len(on_them),
        sessions=tuple(on_them[:SHOWN]),
        pools=tuple(sorted({bundle for row in here for bundle in row.pool_bundles})),
        only_warm=tuple(sorted(loaded)),
        are_last=not others and any(row.is_answering for row in here),
    )


def sessions_by_node() -> Counter[str]:
    """How many sessions each node holds, as this deployment knows."""
    return Counter(Session.objects.values_list("node", flat=True))


def known_members(entries: Iterable[str]) -> list[str]:
    """The addresses known that the entries name, members of ranges among them."""
    wanted = [uris.parse(entry) for entry in entries]
    known = NodeHealth.objects.order_by("pk").values_list("address", flat=True)
    single = {str(uri) for uri in wanted if not uri.is_range}
    ranges = [uri for uri in wanted if uri.is_range]
    found = dict.fromkeys(single)
    for address in known:
        if address in single or not ranges:
            continue
        uri = uris.parse(address)
        if any(one.contains(uri) for one in ranges):
            found[address] = None
    return sorted(found)
