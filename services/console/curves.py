"""Small line charts over numbers of threads, as SVG that needs no script."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops.console.shown import number

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40
_COLOURS = ("var(--accent)", "var(--warning)")
_MOST_TICKS = 10


def curves(lines: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """What the template `services/curves.html` draws: a line for each, over a common axis.

    Lines that are not of one kind each have a scale of their own: give them one call each.
    """
    xs = sorted({x for points in lines.values() for x, _ in points})
    least, most = (xs[0], xs[-1]) if xs else (0, 1)
    top = max((y for points in lines.values() for _, y in points), default=0) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        share = (x - least) / (most - least) if most > least else 0.5
        return (
            round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    shown = xs[:: -(-len(xs) // _MOST_TICKS) or 1]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "lines": [
            {
                "name": name,
                "colour": colour,
                "dash": "6 4" if index else "",
                "points": [place(*point) for point in points],
                "polyline": " ".join(f"{x},{y}" for x, y in (place(*point) for point in points)),
            }
            for index, ((name, points), colour) in enumerate(
                zip(lines.items(), _COLOURS, strict=False)
            )
        ],
        "across": [{"x": place(x, 0)[0], "label": f"{x:g}"} for x in shown],
        "up": [
            {"y": place(least, top * share)[1], "label": number(top * share)}
            for share in (0, 0.5, 1)
        ],
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "floor": _HEIGHT - _BOTTOM,
        "middle": (_LEFT + _WIDTH - _RIGHT) / 2,
    }
