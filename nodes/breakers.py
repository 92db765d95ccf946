"""Nodes that fail sit out for a short time, judged by this process's own calls alone."""

from collections.abc import Callable, Iterable
from math import inf

_FAILURES = 3  # in a row, of calls whose connection broke
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
_LONGEST_CHECK_PAUSE_SECONDS = 5.0


class _Breaker:
    """The recent failures of one node."""

    __slots__ = (
        "check_at",
        "check_pause_seconds",
        "is_on_trial",
        "is_quick",
        "n_failures",
        "pause_seconds",
        "retry_at",
    )

    def __init__(self) -> None:
        self.n_failures = 0
        self.pause_seconds = 0.0
        self.retry_at: float | None = None  # None: closed, the node takes calls
        self.is_on_trial = False
        self.is_quick = False  # whether a further failure would take no time
        self.check_at = 0.0
        self.check_pause_seconds = 0.0


class Breakers:
    """Which nodes sit out: those that refuse a connection at once, others after failing in a row.

    After a pause one call is let through as a trial: its success ends the matter, its failure
    doubles the pause. Nodes that hang get no trial, for a call that they took would be stuck:
    somebody has to look at those that sit out, as `to_check` says. `clock` counts seconds and never
    goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._breakers: dict[str, _Breaker] = {}
        self.last_error = ""

    def __bool__(self) -> bool:
        """Whether any node has failed lately."""
        return bool(self._breakers)

    def ready(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those of the `addresses` that may be called."""
        return tuple(address for address in addresses if self._may_call(address))

    def quick(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those that sit out but may be tried when there is no other: if they still refuse, they do
        so at once, and nothing was run."""
        return tuple(
            address
            for address in addresses
            if (breaker := self._breakers.get(address)) is not None and breaker.is_quick
        )

    def _may_call(self, address: str) -> bool:
        breaker = self._breakers.get(address)
        if breaker is None or breaker.retry_at is None:
            return True
        return not breaker.is_on_trial and self._clock() >= breaker.retry_at

    def begin(self, address: str) -> None:
        """A call to the node begins; it is the trial if the node had been sitting out."""
        breaker = self._breakers.get(address)
        if breaker is not None and breaker.retry_at is not None:
            breaker.is_on_trial = True

    def succeed(self, address: str) -> None:
        """A call reached the node and was answered."""
        self._breakers.pop(address, None)

    def abandon(self, address: str) -> None:
        """A call ended without telling anything about the node."""
        breaker = self._breakers.get(address)
        if breaker is not None:
            breaker.is_on_trial = False

    def fail(self, address: str, error: str, *, at_once: bool, is_quick: bool = False) -> bool:
        """A call failed; answers whether the node sits out from now on."""
        self.last_error = error
        breaker = self._breakers.setdefault(address, _Breaker())
        breaker.n_failures += 1
        was_closed = breaker.retry_at is None
        if was_closed and not at_once and breaker.n_failures < _FAILURES:
            return False
        if was_closed or (breaker.is_on_trial and breaker.retry_at != inf):
            pause = breaker.pause_seconds * 2 or _FIRST_PAUSE_SECONDS
            breaker.pause_seconds = min(pause, _LONGEST_PAUSE_SECONDS)
            breaker.retry_at = self._clock() + breaker.pause_seconds
        breaker.is_on_trial = False
        breaker.is_quick = is_quick
        return True

    def condemn(self, address: str, error: str) -> None:
        """The node hangs: it sits out until something is heard of it."""
        self.last_error = error
        breaker = self._breakers.setdefault(address, _Breaker())
        breaker.retry_at = inf
        breaker.is_quick = False

    def to_check(self) -> list[str]:
        """The nodes that sit out and are to be looked at now, each ever less often."""
        now, due = self._clock(), []
        for address, breaker in self._breakers.items():
            if breaker.retry_at is not None and now >= breaker.check_at:
                pause = breaker.check_pause_seconds * 2 or _FIRST_PAUSE_SECONDS
                breaker.check_pause_seconds = min(pause, _LONGEST_CHECK_PAUSE_SECONDS)
                breaker.check_at = now + breaker.check_pause_seconds
                due.append(address)
        return due

    def keep_only(self, known: Iterable[str]) -> None:
        """Forget the others: they are not called any more."""
        for address in self._breakers.keys() - set(known):
            del self._breakers[address]
