"""How parallel calls are divided among batches: a pure function."""

from collections.abc import Sequence


def fair_shares(capacity: int, wishes: Sequence[int]) -> list[int]:
    """For each wish how many of `capacity` it gets: what it wants, or as much as any other.

    What those of small wishes leave is divided among the rest. Nobody gets nothing.
    """
    shares = [0] * len(wishes)
    left = capacity
    by_wish = sorted(range(len(wishes)), key=lambda number: wishes[number])
    for rank, number in enumerate(by_wish):
        share = min(wishes[number], left // (len(wishes) - rank))
        shares[number] = max(1, share)
        left = max(0, left - shares[number])
    return shares
