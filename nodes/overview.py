"""All known compute nodes with their states, as commands, REST API and console show them."""

from dataclasses import dataclass
from datetime import datetime

from mlops import __version__
from nodes.draining import Drains
from nodes.models import NodeHealth
from nodes.picture import declared_uris
from nodes.state import NodeState, state_of

_NOT_LOOKED_AT = "Nobody has looked at it yet: is the Celery worker running?"


@dataclass(frozen=True, slots=True)
class KnownNode:
    """One address, its state now, and what was seen of it last, if it has been looked at."""

    address: str
    state: NodeState
    drained_by: str | None  # None: it is not drained
    health: NodeHealth | None

    @property
    def note(self) -> str:
        """What is worth knowing though it is no fault."""
        version = self.health.version if self.health else ""
        if version in ("", __version__):
            return ""
        return f"It runs version {version} of the software, this web node {__version__}."


def known_nodes(*, now: datetime) -> list[KnownNode]:
    """Every single address that is declared, and members of ranges that have lately answered."""
    drains = Drains.read()
    rows = {row.address: row for row in NodeHealth.objects.all()}
    single = [str(uri) for uri in declared_uris() if not uri.is_range]
    return [
        known_node(address, rows.get(address), drains, now=now)
        for address in sorted(rows.keys() | set(single))
    ]


def known_node(
    address: str, health: NodeHealth | None, drains: Drains, *, now: datetime
) -> KnownNode:
    """What is known of the address; `drains` are all that there are."""
    drain = drains.of(address)
    if health is not None:
        state = state_of(health, now=now, drained_since=drain.since if drain else None)
    elif drain is not None:
        state = NodeState("draining", _NOT_LOOKED_AT, drain.since)
    else:
        state = NodeState("unknown", _NOT_LOOKED_AT)
    return KnownNode(address, state, drain.by if drain else None, health)
