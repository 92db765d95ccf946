"""The figures as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes

from tests.benchmarks.rounds import Results, Size
from tests.benchmarks.target import Kind, Target

mpl.use("Agg")

from matplotlib import pyplot as plt

_COLOURS = {Kind.LIMIT: "#888888", Kind.OURS: "#1b7f5c", Kind.PEER: "#b9c6d6"}


def draw(targets: Sequence[Target], results: Results, path: Path) -> None:
    """Right answers per second at most clients, and median latency at fewest, of one row each."""
    clients = sorted(size.clients for _, size in results if size.rows == 1)
    if not clients:
        return
    many, few = Size(1, 32 if 32 in clients else clients[-1]), Size(1, clients[0])
    shown = [target for target in targets if (target.name, many) in results]
    figure, (rates, latencies) = plt.subplots(
        1, 2, figsize=(11, 1.5 + 0.3 * len(shown)), sharey=True, layout="constrained"
    )
    _bars(rates, shown, [results[target.name, many].rate for target in shown], "{:,.0f}")
    rates.set_title(f"right answers per second, {many.clients} clients")
    _bars(latencies, shown, [results[target.name, few].p50 for target in shown], "{:,.2f}")
    latencies.set_title(f"median latency in ms, {few.clients} client{'s'[: few.clients > 1]}")
    rates.invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(axes: Axes, shown: Sequence[Target], values: list[float], text: str) -> None:
    colours = [_COLOURS[target.kind] for target in shown]
    bars = axes.barh([target.name for target in shown], values, color=colours)
    axes.bar_label(bars, [text.format(value) for value in values], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
