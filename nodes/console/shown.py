"""What the console shows of a node, put together once for lists and pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from nodes.draining import Drains
from nodes.models import NodeHealth
from nodes.overview import KnownNode, known_node

COLOURS: Mapping[str, str] = {
    "ready": "success",
    "degraded": "warning",
    "draining": "info",
    "down": "danger",
    "unknown": "neutral",
}
_EXPIRES_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Shells:
    """The shells of one language on a node; `reason` says why it has none."""

    runtime: str
    n_busy: int
    n_now: int
    n_most: int
    reason: str

    @property
    def n_idle(self) -> int:
        """Those that wait for work."""
        return max(0, self.n_now - self.n_busy)


def shells_of(health: NodeHealth, runtime: str) -> Shells | None:
    """The shells when it answered last; None when it has not answered or said nothing of them."""
    pool = health.report.get("runtimes", {}).get(runtime)
    if pool is None or not health.is_answering:
        return None
    return Shells(
        runtime,
        int(pool.get("activeShellCount", 0)),
        int(pool.get("currentPoolSize", 0)),
        int(pool.get("maxPoolSize", 0)),
        "" if pool.get("available") else str(pool.get("reason") or "not available"),
    )


def memory_of(health: NodeHealth) -> int | None:
    """Bytes that the node and its shells have."""
    memory = health.report.get("memory", {})
    known = [memory[name] for name in ("nodeBytes", "shellBytes") if name in memory]
    return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Security:
    """How the way to a node is protected; red when something is to be done."""

    text: str
    colour: str
    why: str = ""


def security_of(health: NodeHealth, *, now: datetime) -> Security:
    """TLS or not, and how long the node's certificate lasts."""
    certificate = health.report.get("certificate", {})
    if not health.address.startswith("https://"):
        return Security("plain HTTP", "neutral")
    expires = _moment(certificate.get("expires"))
    if expires is None:
        return Security("TLS", "success")
    if expires < now:
        return Security("TLS", "danger", f"its certificate expired on {expires:%Y-%m-%d}")
    if expires - now < _EXPIRES_SOON:
        return Security("TLS", "warning", f"its certificate expires on {expires:%Y-%m-%d}")
    return Security("TLS", "success", f"until {expires:%Y-%m-%d}")


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def with_states(rows: Iterable[NodeHealth], drains: Drains, *, now: datetime) -> list[KnownNode]:
    """The rows with the state of each; nothing is asked of the database."""
    return [known_node(row.address, row, drains, now=now) for row in rows]


def overview(request: HttpRequest) -> list[KnownNode]:
    """All known nodes with their states, read once for the request: one statement for each of
    nodes and drains, however many there are."""
    known: list[KnownNode] | None = getattr(request, "_nodes_overview", None)
    if known is None:
        known = with_states(NodeHealth.objects.all(), Drains.read(), now=timezone.now())
        request._nodes_overview = known  # type: ignore[attr-defined]
    return known
