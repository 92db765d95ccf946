"""Percentiles of times of which only a histogram is known."""

from collections.abc import Sequence

from nodes.runtime.figures import SECONDS


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Seconds that this share of the calls took at most; None without calls.

    `counts` says how many took up to each bound of SECONDS, and how many longer. Within the bounds
    that the right answer lies between, calls are taken to be spread evenly; beyond the last one it
    is the last one.
    """
    total = sum(counts)
    if not total:
        return None
    rank = share * total
    below, lower = 0, 0.0
    for count, upper in zip(counts, SECONDS, strict=False):  # the last count has no bound
        if count and below + count >= rank:
            return lower + (upper - lower) * (rank - below) / count
        below, lower = below + count, upper
    return lower
