"""Which compute node gets a call: a pure function over what is known of the nodes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

_MOST_COMPARED = 8  # warm nodes; of more the better of two drawn at random will do
_SPILL = 4  # requests by which a warm node may be busier before a cold one is warmed up


class Randomness(Protocol):
    """What `choose` needs of `random.Random`."""

    def choice(self, seq: Sequence[T], /) -> T:
        """One of them."""


def choose(
    ready: Sequence[str],
    *,
    warm: Sequence[str] = (),
    outstanding: Mapping[str, int],
    randomness: Randomness,
    excluded: Collection[str] = (),
) -> str | None:
    """The address to call; None when none of the `ready` is left.

    `warm` are those of them that have run the version before; they come first: the one with the
    fewest `outstanding` requests. Otherwise it is the better of two drawn at random, and so it is
    when the warm ones are busier by more than a few.
    """
    if excluded:
        ready = [address for address in ready if address not in excluded]
        warm = [address for address in warm if address not in excluded]
    if not ready:
        return None
    if len(ready) == 1:
        return ready[0]

    def load(address: str) -> int:
        return outstanding.get(address, 0)

    def better_of_two(addresses: Sequence[str]) -> str:
        one, other = randomness.choice(addresses), randomness.choice(addresses)
        return one if load(one) <= load(other) else other

    if not warm:
        return better_of_two(ready)
    best = min(warm, key=load) if len(warm) <= _MOST_COMPARED else better_of_two(warm)
    if load(best) <= _SPILL:  # as no other can have less than none
        return best
    drawn = better_of_two(ready)
    return best if load(best) <= load(drawn) + _SPILL else drawn
