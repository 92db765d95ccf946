"""Recording how compute nodes are, once a minute, from what the prober saw last."""

from dataclasses import astuple, dataclass, fields
from datetime import datetime

from mlops.usage import recorded
from mlops.usage.minutes import minute_of
from nodes.models import NodeHealth, NodeUsage
from nodes.overview import KnownNode, known_nodes

EVERY_NODE = ""


@dataclass(slots=True)
class Look:
    """What one look at a node found, or what the looks at several found together."""

    looks: int = 0
    ready: int = 0
    degraded: int = 0
    draining: int = 0
    down: int = 0
    unknown: int = 0
    python_busy: int = 0
    python_shells: int = 0
    r_busy: int = 0
    r_shells: int = 0
    running: int = 0
    queued: int = 0
    answers: int = 0
    milliseconds: float = 0

    @classmethod
    def at(cls, node: KnownNode) -> "Look":
        """What is known of the node now."""
        look = cls(looks=1)
        setattr(look, node.state.name, 1)
        if node.health is not None and node.state.name not in ("down", "unknown"):
            look._add_report(node.health)
        return look

    def _add_report(self, health: NodeHealth) -> None:
        runtimes = health.report.get("runtimes", {})
        for prefix, name in (("python", "Python"), ("r", "R")):
            pool = runtimes.get(name, {})
            if pool.get("available"):
                setattr(self, f"{prefix}_busy", int(pool.get("activeShellCount", 0)))
                setattr(self, f"{prefix}_shells", int(pool.get("currentPoolSize", 0)))
        load = health.report.get("load", {})
        self.running, self.queued = int(load.get("running", 0)), int(load.get("queued", 0))
        if health.latency is not None:
            self.answers, self.milliseconds = 1, health.latency


COLUMNS = tuple(field.name for field in fields(Look))


def record_nodes(*, now: datetime) -> None:
    """Add one look at every known node, and one at all of them together, to this minute.

    Done twice in a minute it is the mean of two looks.
    """
    looks = {node.address: astuple(Look.at(node)) for node in known_nodes(now=now)}
    if not looks:
        return
    every = [sum(values) for values in zip(*looks.values(), strict=True)]
    every[0] = 1
    minute = minute_of(now)
    news = {(address, minute): look for address, look in looks.items()}
    recorded.add(NodeUsage, COLUMNS, {**news, (EVERY_NODE, minute): every})
