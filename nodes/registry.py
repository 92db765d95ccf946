"""How this web node fares with the compute nodes, and the way every call to one is placed.

`dispatch` and `dispatch_sync` are how the rest of the product calls "some ready node".
"""

import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from mlops.errors import (
    BundleUnknown,
    Busy,
    MlopsError,
    NodeError,
    NodeFailure,
    NodeStopping,
    NodeTimeout,
    NodeUnreachable,
    PoolMissing,
    Stopping,
)
from nodes.breakers import Breakers
from nodes.compute_node import ComputeNode
from nodes.picture import CurrentPicture, Picture, load_picture
from nodes.routing import burdens_of, choose
from nodes.slowness import Slowness
from nodes.warmth import Warmth
from nodes.watching import start_watching

T = TypeVar("T")

_ABANDONED = (NodeTimeout, Stopping)  # a slow run, or a caller that broke it off
_TRUST_SECONDS = 2.0  # in a node that was looked at because nothing was heard of it


class Registry:
    """The candidates, and what this process has seen of them.

    `watch` is called with the registry when there begins to be something to look after; from then
    on `look` is to be called about twice a second, until it answers None.
    """

    def __init__(
        self,
        *,
        load: Callable[[], Picture] = load_picture,
        clock: Callable[[], float] = time.monotonic,
        watch: Callable[["Registry"], bool] = lambda _: False,
    ) -> None:
        self._clock = clock
        self._current = CurrentPicture(load, clock)
        self.picture = self._current.get
        self.picture_async = self._current.get_async
        self.forget = self._current.forget
        self._shown: Picture | None = None  # what the rest was brought to
        self._known: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._outstanding: dict[str, int] = {}
        self._warmth = Warmth()
        self._breakers = Breakers(clock)
        self._slowness = Slowness()
        self._burdens: dict[str, float] = {}
        self._random = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._watch = watch
        self._is_watched = False
        self._heard_of: set[str] = set()  # nodes that have answered since the last look
        self._busy_then: frozenset[str] = frozenset()  # nodes with calls under way at the last look
        self._trusted_until: dict[str, float] = {}

    def considered(
        self, picture: Picture, runtime: str, bundle_id: str
    ) -> dict[str, dict[str, Any]]:
        """What the next call of the bundle is placed by, for each node that could take it."""
        candidates = picture.by_runtime.get(runtime, picture.addresses)
        with self._lock:
            warm = self._warmth.known.get(bundle_id, ())
            ready = self._breakers.ready(candidates) if self._breakers else candidates
            return {
                address: {
                    "is_warm": address in warm,
                    "n_calls": self._outstanding.get(address, 0),
                    "burden": self._burdens.get(address, 1.0),
                    "sits_out": address not in ready,
                }
                for address in candidates
            }

    def warm(self, bundle_id: str) -> tuple[str, ...]:
        """The nodes on which this process has lately had the bundle run."""
        with self._lock:
            return self._warmth.known.get(bundle_id, ())

    # Placing calls.

    def attempts(
        self, picture: Picture, *, runtime: str = "", bundle_id: str = ""
    ) -> Iterator["Attempt"]:
        """At most two nodes to try, one after the other; raises Busy when none is ready.

        Enter each as a context: it swallows the first one's Busy, after which nothing was run, so
        that the loop comes round; when there is no second node the first one's Busy is raised.
        """
        first = self._attempt(picture, runtime, bundle_id, refused=None)
        yield first
        yield self._attempt(picture, runtime, bundle_id, refused=first)

    def _attempt(
        self, picture: Picture, runtime: str, bundle_id: str, *, refused: "Attempt | None"
    ) -> "Attempt":
        candidates = picture.by_runtime.get(runtime, picture.addresses)
        began_warm = 0.0
        with self._lock:
            if picture is not self._shown:
                self._show(picture)
            warm = self._warmth.known.get(bundle_id, ())
            excluded = (refused.address,) if refused else ()
            address = choose(
                self._breakers.ready(candidates) if self._breakers else candidates,
                warm=warm,
                outstanding=self._outstanding,
                randomness=self._random,
                excluded=excluded,
                burdens=self._burdens,
            )
            if address is None and self._breakers:
                address = choose(
                    self._breakers.quick(candidates),
                    outstanding=self._outstanding,
                    randomness=self._random,
                    excluded=excluded,
                )
            if address is None:
                if refused is not None and refused.error is not None:
                    raise refused.error
                raise _none_ready(picture, runtime, self._breakers.last_error)
            self._outstanding[address] = self._outstanding.get(address, 0) + 1
            self._breakers.begin(address)
            if not self._is_watched:
                self._is_watched = self._watch(self)
            elif len(warm) > 1 and address in warm:
                began_warm = self._clock()
        return Attempt(self, address, bundle_id, began_warm, is_last=refused is not None)

    def settle(
        self, address: str, bundle_id: str, error: BaseException | None, began_warm: float = 0.0
    ) -> None:
        """A call has ended: count it off, and learn from how it went.

        `began_warm` is when it began, if the node had run the bundle before.
        """
        with self._lock:
            n_left = self._outstanding[address] - 1
            if n_left:
                self._outstanding[address] = n_left
            else:
                del self._outstanding[address]
            if error is None and began_warm:
                self._slowness.note(address, bundle_id, self._clock() - began_warm)
            if isinstance(error, NodeUnreachable | NodeStopping):
                self._fail(address, error, at_once=True)
            elif isinstance(error, NodeFailure) and not isinstance(error, NodeError):
                self._fail(address, error, at_once=False)
            elif isinstance(error, MlopsError | None) and not isinstance(error, _ABANDONED):
                self._heard_of.add(address)
                if self._breakers:
                    self._breakers.succeed(address)
                if bundle_id and address in self._known:
                    is_cold = isinstance(error, BundleUnknown | PoolMissing)
                    self._warmth.mark(address, bundle_id, is_warm=not is_cold)
            else:
                self._breakers.abandon(address)

    def _fail(self, address: str, error: MlopsError, *, at_once: bool) -> None:
        is_refused = isinstance(error, NodeUnreachable) and error.is_refused
        is_quick = is_refused or isinstance(error, NodeStopping)
        if self._breakers.fail(address, error.message, at_once=at_once, is_quick=is_quick):
            self._warmth.cool(address)

    def _show(self, picture: Picture) -> None:
        """Bring what is known of the nodes to the picture."""
        self._shown = picture
        self._known = frozenset(picture.addresses)
        self._warmth.keep_only(self._known)
        self._breakers.keep_only(self._known)
        self._burdens = burdens_of(picture.weights, self._slowness.factors)

    # Looking after the nodes.

    def look(self) -> list[str] | None:
        """Addresses to look at now, each to be followed by `checked`; None when all is quiet.

        They are those that sit out, and those with calls under way of which nothing was heard for a
        while: they may be at a long run, or hang.
        """
        now = self._clock()
        with self._lock:
            calls = self._slowness.taken()
        self._slowness.weigh(calls, now)
        with self._lock:
            weights = self._shown.weights if self._shown else {}
            self._burdens = burdens_of(weights, self._slowness.factors)
            heard_of, self._heard_of = self._heard_of, set()
            busy, self._busy_then = self._busy_then, frozenset(self._outstanding)
            suspects = [
                address
                for address in self._outstanding
                if address in busy
                and address not in heard_of
                and now >= self._trusted_until.get(address, now)
            ]
            for address in suspects:
                self._trusted_until[address] = now + _TRUST_SECONDS
            if not (self._outstanding or self._breakers or self._slowness.factors):
                self._trusted_until.clear()
                self._is_watched = False
                return None
            return list(dict.fromkeys([*suspects, *self._breakers.to_check()]))

    def checked(self, address: str, error: MlopsError | None) -> None:
        """Somebody has looked at the node: it is well, or does not answer as it should."""
        with self._lock:
            if error is None:
                self._breakers.succeed(address)
            elif address not in self._known:
                return
            elif isinstance(error, NodeTimeout):
                self._breakers.condemn(address, f"{address} hangs: {error.message}")
                self._warmth.cool(address)
            else:
                self._fail(address, error, at_once=True)

    def forget_watch(self) -> None:
        """Nobody looks after the nodes in this process, which was forked."""
        self._lock = threading.Lock()
        self._is_watched = False


class Attempt:
    """One call to one node, counted from entering to leaving the context."""

    __slots__ = ("_began_warm", "_bundle_id", "_is_last", "_registry", "address", "error")

    def __init__(
        self, registry: Registry, address: str, bundle_id: str, began_warm: float, *, is_last: bool
    ) -> None:
        self._registry = registry
        self._bundle_id = bundle_id
        self._began_warm = began_warm
        self._is_last = is_last
        self.address = address
        self.error: Busy | None = None

    def __enter__(self) -> ComputeNode:
        return ComputeNode(self.address)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._registry.settle(self.address, self._bundle_id, error, self._began_warm)
        if isinstance(error, Busy) and not self._is_last:
            self.error = error
            return True
        return False


registry = Registry(watch=start_watching)
os.register_at_fork(after_in_child=registry.forget_watch)


def addresses() -> tuple[str, ...]:
    """The addresses that calls may go to, at most about a second old."""
    return registry.picture().addresses


def known_addresses() -> tuple[str, ...]:
    """The same and those that are drained, which may hold what was begun before."""
    picture = registry.picture()
    return (*picture.addresses, *picture.drained)


async def dispatch(
    call: Callable[[ComputeNode], Awaitable[T]], *, runtime: str = "", bundle_id: str = ""
) -> T:
    """The result of `call` on some ready node that runs `runtime`.

    When that node cannot have run it (NodeUnreachable, Busy) it is tried on one other. Raises Busy
    when no node is ready, and whatever `call` raises. `bundle_id` prefers nodes that have run it.
    """
    picture = await registry.picture_async()
    for attempt in registry.attempts(picture, runtime=runtime, bundle_id=bundle_id):
        with attempt as node:
            return await call(node)
    raise AssertionError("The last attempt either returned or raised.")


def dispatch_sync(call: Callable[[ComputeNode], T], *, runtime: str = "", bundle_id: str = "") -> T:
    """As `dispatch`, for sync code whose `call` blocks."""
    picture = registry.picture()
    for attempt in registry.attempts(picture, runtime=runtime, bundle_id=bundle_id):
        with attempt as node:
            return call(node)
    raise AssertionError("The last attempt either returned or raised.")


def _none_ready(picture: Picture, runtime: str, last_error: str) -> Busy:
    ready = picture.by_runtime.get(runtime, picture.addresses)
    if not ready and picture.drained:
        which = f"compute nodes that run {runtime}" if picture.addresses else "compute nodes"
        return Busy(f"All {which} are drained: an administrator has to resume one of them.")
    if not ready:
        return Busy("No compute node is ready: none is declared, or no member of a range answers.")
    return Busy(f"No compute node is ready; try again in a moment. The last error: {last_error}")
