"""Taking compute nodes out of work, and back into it.

A drained node gets no new calls and sessions, nor further dedicated pools; what runs there ends by
itself, and its sessions stay reachable. What is drained is part of the list of declared nodes: an
entry, a part of a range or an address of one.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlops.accounts.audit import record
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import require_role, role_for_nodes
from mlops.errors import InvalidRequest
from nodes import uris
from nodes.declared import AT_ONCE, Cover, changing, declared_entries, drained_entries
from nodes.models import NodeDrain

if TYPE_CHECKING:
    from mlops.accounts.models import User


@noting_refusals("drain compute nodes")
def drain_nodes(*, user: "User", entries: Sequence[str]) -> None:
    """Drain what the entries name; raises InvalidRequest, with nothing changed, for an entry that
    is wrong or names what is not declared. What is drained already stays as it is."""
    require_role(user, role_for_nodes())
    drained = uris.normalise_list(entries)
    with changing():
        declared = Cover(declared_entries())
        unknown = [uri for uri in drained if not declared.has(uris.parse(uri))]
        if unknown:
            raise InvalidRequest(
                f"Not declared, so nothing was drained: {', '.join(unknown)}.", fields="entries"
            )
        known = Cover(drained_entries())
        new = [uri for uri in drained if not known.has(uris.parse(uri))]
        NodeDrain.objects.bulk_create(NodeDrain(uri=uri, by=user.username) for uri in new)
        record(
            "drain compute nodes",
            user=user,
            object=", ".join(drained),
            after={"drained": new},
        )


@noting_refusals("resume compute nodes")
def resume_nodes(*, user: "User", entries: Sequence[str]) -> None:
    """Drain no longer what lies within the entries; raises InvalidRequest, with nothing changed,
    for one of which nothing was drained, or that is drained as part of a larger range."""
    require_role(user, role_for_nodes())
    resumed = [uris.parse(uri) for uri in uris.normalise_list(entries)]
    with changing():
        drains = Cover(drained_entries())
        ended: set[str] = set()
        for uri in resumed:
            touched = drains.shared_with(uri)
            within = {text for text, number in touched if number == uris.count(text)}
            larger = [text for text, _ in touched if text not in within]
            if larger:
                raise InvalidRequest(
                    f"{uri} is drained as part of {', '.join(larger)}, which can only be resumed"
                    " as a whole. Nothing was resumed.",
                    fields="entries",
                )
            if not within:
                raise InvalidRequest(
                    f"{uri} is not drained, so nothing was resumed.", fields="entries"
                )
            ended |= within
        for start in range(0, len(ended), AT_ONCE):
            some = sorted(ended)[start : start + AT_ONCE]
            NodeDrain.objects.filter(uri__in=some).delete()
        record(
            "resume compute nodes",
            user=user,
            object=", ".join(map(str, resumed)),
            before={"drained": sorted(ended)},
        )


class Drains:
    """What is drained, read once and looked up in memory however many addresses there are."""

    def __init__(self, rows: Iterable[NodeDrain]) -> None:
        self._of_one: dict[str, NodeDrain] = {}
        self._ranges: list[tuple[uris.NodeUri, NodeDrain]] = []
        for row in rows:
            uri = uris.parse(row.uri)
            if uri.is_range:
                self._ranges.append((uri, row))
            else:
                self._of_one[str(uri)] = row

    @classmethod
    def read(cls) -> "Drains":
        """All that there are now."""
        return cls(NodeDrain.objects.order_by("pk"))

    def of(self, address: str) -> NodeDrain | None:
        """The drain of the address itself, else the first of a range that has it."""
        found = self._of_one.get(address)
        if found is not None or not self._ranges:
            return found
        uri = uris.parse(address)
        return next((row for drained, row in self._ranges if drained.contains(uri)), None)

    def about(self, uri: uris.NodeUri) -> NodeDrain | None:
        """One that drains some of what `uri` names; one of all of it, if there is one."""
        if not uri.is_range:
            return self.of(str(uri))
        singles = ((uris.parse(text), row) for text, row in self._of_one.items())
        shared = [(uri.n_shared(drained), row) for drained, row in (*self._ranges, *singles)]
        most, row = max(shared, key=lambda each: each[0], default=(0, None))
        return row if most else None
