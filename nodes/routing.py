"""Which compute node gets a call: a pure function over what is known of the nodes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

_MOST_COMPARED = 8  # warm nodes; of more the better of two drawn at random will do
_SPILL = 4  # requests by which a warm node may be busier before a cold one is warmed up
_WARMED_UP = 1 / 64  # of the calls that come while all warm nodes are busy warm up another one
_NONE: Mapping[str, float] = {}


class Randomness(Protocol):
    """What `choose` needs of `random.Random`."""

    def choice(self, seq: Sequence[T], /) -> T:
        """One of them."""

    def choices(self, population: Sequence[T], weights: Sequence[float], *, k: int) -> list[T]:
        """`k` of them, one with twice the weight of another twice as often."""

    def random(self) -> float:
        """A number from 0 to 1."""


def burdens_of(weights: Mapping[str, float], slowness: Mapping[str, float]) -> dict[str, float]:
    """What one request means to each node, where 1 is usual: more to a small or a slow one."""
    return {
        address: slowness.get(address, 1.0) / weights.get(address, 1.0)
        for address in weights.keys() | slowness.keys()
    }


def choose(
    ready: Sequence[str],
    *,
    warm: Sequence[str] = (),
    outstanding: Mapping[str, int],
    randomness: Randomness,
    excluded: Collection[str] = (),
    burdens: Mapping[str, float] = _NONE,
) -> str | None:
    """The address to call; None when none of the `ready` is left.

    `warm` are those of them that have run the version before; they come first: the one that would
    be the least busy with the call. Otherwise it is the better of two drawn at random, and so it is
    when the warm ones are busier by more than a few. As long as they are busy at all, now and then
    a call goes to another one, so that a new node has its share of a steady load soon.

    How busy a node is follows from its
    `outstanding` requests, each as heavy as `burdens` says for the node; usual ones are left out.
    """
    if excluded:
        ready = [address for address in ready if address not in excluded]
        warm = [address for address in warm if address not in excluded]
    if not ready:
        return None
    if len(ready) == 1:
        return ready[0]

    def usual_load(address: str) -> float:
        return outstanding.get(address, 0)

    def weighed_load(address: str) -> float:
        return (outstanding.get(address, 0) + 1) * burdens.get(address, 1.0)

    load = weighed_load if burdens else usual_load

    def better_of_two(addresses: Sequence[str]) -> str:
        if burdens:  # when nothing runs, large nodes get more than small ones, but not all
            weights = [1 / burdens.get(address, 1.0) for address in addresses]
            one, other = randomness.choices(addresses, weights, k=2)
            of_one = outstanding.get(one, 0) * burdens.get(one, 1.0)
            return one if of_one <= outstanding.get(other, 0) * burdens.get(other, 1.0) else other
        one, other = randomness.choice(addresses), randomness.choice(addresses)
        return one if load(one) <= load(other) else other

    if not warm:
        return better_of_two(ready)
    best = min(warm, key=load) if len(warm) <= _MOST_COMPARED else better_of_two(warm)
    if len(warm) < len(ready) and best in outstanding and randomness.random() < _WARMED_UP:
        drawn = better_of_two([address for address in ready if address not in warm] or ready)
        return best if load(best) + _SPILL < load(drawn) else drawn
    if load(best) <= _SPILL:  # as no other can have less than none
        return best
    drawn = better_of_two(ready)
    return best if load(best) <= load(drawn) + _SPILL else drawn
