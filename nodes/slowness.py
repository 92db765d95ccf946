"""How much slower than others each node is lately, for the same bundles.

Versions take different times, so a node is compared with the others bundle by bundle. What is
compared are means of logarithms, which a few odd calls do not move; few calls tell little. A node
that turns slow is so at once; its factor falls back within about ten seconds, so that it is tried
again.
"""

from math import exp, log

_SMALL_SECONDS = 0.002  # differences of less matter little
_SLOW = 1.5  # times that of the others; less is chance, or load
_MOST_SLOW = 100.0
_DOUBT_CALLS = 2  # so many calls count half
_FALL_SECONDS = 1.5  # in which a factor's excess falls to a third
_MEMORY_SECONDS = 30.0  # of the times that others are compared with
_NEARLY_ONE = 1.05

Calls = dict[str, dict[str, list[float]]]  # by bundle and node: number, sum of logarithms


class Slowness:
    """The factors by node, of those that are slow.

    `note` each call; twice a second or so `weigh` what `taken` hands out, which may take a while.
    """

    def __init__(self) -> None:
        self.factors: dict[str, float] = {}
        self._fresh: Calls = {}
        self._usual: dict[str, dict[str, tuple[float, float]]] = {}  # the same: logarithm, as of
        self._looked_at: float | None = None

    def note(self, address: str, bundle_id: str, seconds: float) -> None:
        """A call of the bundle, which was warm there, took the node so long."""
        by_node = self._fresh.get(bundle_id)
        if by_node is None:
            by_node = self._fresh[bundle_id] = {}
        sums = by_node.get(address)
        if sums is None:
            sums = by_node[address] = [0, 0.0]
        sums[0] += 1
        sums[1] += log(seconds + _SMALL_SECONDS)

    def taken(self) -> Calls:
        """What was noted since this was called last."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def weigh(self, fresh: Calls, now: float) -> None:
        """Work out the factors anew."""
        elapsed = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        fall = exp(-elapsed / _FALL_SECONDS)
        targets = self._targets(fresh, now)
        factors = {}
        for address in self.factors.keys() | targets.keys():
            former, target = self.factors.get(address, 1.0), targets.get(address, 1.0)
            factor = target if target >= former else target + (former - target) * fall
            if factor > _NEARLY_ONE:
                factors[address] = factor
        self.factors = factors
        self._forget(now)

    def _targets(self, fresh: Calls, now: float) -> dict[str, float]:
        """How slow the nodes were since the last look, by what they were called for."""
        sums: dict[str, tuple[float, float]] = {}
        for bundle_id, by_node in fresh.items():
            usual = self._usual.setdefault(bundle_id, {})
            trusts = {}
            for address, (number, total) in by_node.items():
                trust = trusts[address] = number / (number + _DOUBT_CALLS)
                mean = total / number
                former, _ = usual.get(address, (mean, now))
                usual[address] = former + trust * (mean - former), now
            for address, (number, total) in by_node.items():
                others = [one for name, (one, _) in usual.items() if name != address]
                if others:
                    excess = total / number - sum(others) / len(others)
                    known_number, known_sum = sums.get(address, (0.0, 0.0))
                    weighted = known_sum + number * trusts[address] * excess
                    sums[address] = known_number + number, weighted
        ratios = {
            address: min(exp(total / number), _MOST_SLOW)
            for address, (number, total) in sums.items()
        }
        return {address: ratio for address, ratio in ratios.items() if ratio >= _SLOW}

    def _forget(self, now: float) -> None:
        oldest = now - _MEMORY_SECONDS
        for bundle_id, usual in list(self._usual.items()):
            for address, (_, as_of) in list(usual.items()):
                if as_of < oldest:
                    del usual[address]
            if not usual:
                del self._usual[bundle_id]
