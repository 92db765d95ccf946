"""What this web node knows of the compute nodes, and the way every call to one is placed.

`dispatch` and `dispatch_sync` are how the rest of the product calls "some ready node".
"""

import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from mlops.ahead import Ahead
from mlops.database import kept_connection
from mlops.errors import (
    BundleUnknown,
    Busy,
    InvalidRequest,
    MlopsError,
    NodeError,
    NodeFailure,
    NodeTimeout,
    NodeUnreachable,
    PoolMissing,
    Stopping,
)
from nodes import uris
from nodes.breakers import Breakers
from nodes.compute_node import ComputeNode
from nodes.models import NodeEntry, NodeHealth, Runtime
from nodes.routing import choose
from nodes.runtime.api_version import API_VERSION, is_compatible

logger = logging.getLogger(__name__)
T = TypeVar("T")

_REFRESH_SECONDS = 1.0
_AGEING_SECONDS = 0.5  # from then on it is read again, in the background
_MOST_WARM_BUNDLES = 10_000
_ABANDONED = (NodeTimeout, Stopping)  # a slow run, or a caller that broke it off


@dataclass(frozen=True)
class Picture:
    """The nodes that may be called, as the database had it: all, and those that run a language."""

    addresses: tuple[str, ...]
    by_runtime: dict[str, tuple[str, ...]]


def load_picture() -> Picture:
    """The candidates now: declared single addresses, and members of ranges that answer.

    The prober records which do and what they run; what it recorded last counts, however long ago.
    It only ever narrows the choice: where nothing would be left, all that are known stay in, but
    for those of another major version of the compute node API, which are never called.
    """
    entries = declared_uris()
    ranges = [uri for uri in entries if uri.is_range]
    candidates = [str(uri) for uri in entries if not uri.is_range]
    silent: list[str] = []
    foreign: set[str] = set()
    lacking: dict[str, set[str]] = {runtime: set() for runtime in Runtime.values}
    for health in NodeHealth.objects.all():
        if not is_compatible(health.report.get("apiVersion", API_VERSION)):
            foreign.add(health.address)
        address = _parsed(health.address)
        if any(uri.contains(address) for uri in ranges):
            (candidates if health.is_answering else silent).append(health.address)
        for runtime, state in health.report.get("runtimes", {}).items():
            if not state.get("available", True):
                lacking.setdefault(runtime, set()).add(health.address)
    known = [one for one in candidates if one not in foreign] or silent
    addresses = tuple(one for one in dict.fromkeys(known) if one not in foreign)
    return Picture(
        addresses=addresses,
        by_runtime={
            runtime: tuple(one for one in addresses if one not in without) or addresses
            for runtime, without in lacking.items()
        },
    )


def declared_uris() -> list[uris.NodeUri]:
    """The declared entries understood; one that is wrong is logged and left out."""
    entries = []
    for uri in NodeEntry.objects.values_list("uri", flat=True):
        try:
            entries.append(_parsed(uri))
        except InvalidRequest as error:  # it must not stop the calls to all other nodes
            logger.error("A declared compute node is left out: %s", error.message)
    return entries


@lru_cache(maxsize=4096)
def _parsed(uri: str) -> uris.NodeUri:
    return uris.parse(uri)


class Registry:
    """The candidates, read from the database each second, and how this process fares with them."""

    def __init__(
        self,
        *,
        load: Callable[[], Picture] = load_picture,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._clock = clock
        self._picture: Picture | None = None
        self._loaded_at = 0.0
        self._n_changes = 0  # made by this process
        self._n_shown = 0  # of these, in the picture
        self._refreshing = threading.Lock()
        self._ahead = Ahead()
        self._lock = threading.Lock()
        self._outstanding: dict[str, int] = {}
        self._warm: dict[str, tuple[str, ...]] = {}  # bundle id → nodes that have run it
        self._breakers = Breakers(clock)
        self._random = random.Random()  # noqa: S311 - spreads load, guards nothing

    # The picture.

    def picture(self) -> Picture:
        """The candidates, about a second old at most; older if the database cannot be asked."""
        if self._is_stale():
            self._refresh()
        assert self._picture is not None  # noqa: S101 - `_refresh` raised otherwise
        return self._picture

    async def picture_async(self) -> Picture:
        """The same, without blocking the event loop."""
        if self._is_overtaken() or (self._is_stale() and not self._refreshing.locked()):
            await sync_to_async(self._refresh_by_itself)()
        elif self._is_older(_AGEING_SECONDS):
            self._ahead.begin(sync_to_async(self._refresh_by_itself))
        assert self._picture is not None  # noqa: S101 - `_refresh` raised otherwise
        return self._picture

    def forget(self) -> None:
        """Read the declared nodes anew before the next call: this process has changed them."""
        with self._lock:
            self._n_changes += 1

    def _is_overtaken(self) -> bool:
        """Whether no call may be placed by the picture: there is none, or `forget` was called."""
        return self._picture is None or self._n_shown != self._n_changes

    def _is_stale(self) -> bool:
        return self._is_overtaken() or self._is_older(_REFRESH_SECONDS)

    def _is_older(self, seconds: float) -> bool:
        return self._clock() - self._loaded_at > seconds

    def _refresh(self) -> None:
        """Load the picture, unless another thread does and the old one can serve meanwhile."""
        if not self._refreshing.acquire(blocking=self._is_overtaken()):
            return
        try:
            if not (self._is_overtaken() or self._is_older(_AGEING_SECONDS)):
                return  # another thread has just done it
            n_changes, self._loaded_at = self._n_changes, self._clock()
            try:
                self._show(self._load())
            except DatabaseError:
                if self._picture is None:
                    raise
                logger.warning("The list of compute nodes could not be refreshed.", exc_info=True)
            self._n_shown = n_changes
        finally:
            self._refreshing.release()

    def _refresh_by_itself(self) -> None:
        with kept_connection():
            self._refresh()

    def _show(self, picture: Picture) -> None:
        if picture == self._picture:
            return
        self._picture = picture
        known = set(picture.addresses)
        with self._lock:
            for bundle_id, addresses in list(self._warm.items()):
                self._warm[bundle_id] = tuple(one for one in addresses if one in known)

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
        with self._lock:
            address = choose(
                self._breakers.ready(candidates) if self._breakers else candidates,
                warm=self._warm.get(bundle_id, ()),
                outstanding=self._outstanding,
                randomness=self._random,
                excluded=(refused.address,) if refused else (),
            )
            if address is None:
                if refused is not None and refused.error is not None:
                    raise refused.error
                raise _none_ready(picture, self._breakers.last_error)
            self._outstanding[address] = self._outstanding.get(address, 0) + 1
            self._breakers.begin(address)
        return Attempt(self, address, bundle_id, is_last=refused is not None)

    def settle(self, address: str, bundle_id: str, error: BaseException | None) -> None:
        """A call has ended: count it off, and learn from how it went."""
        with self._lock:
            n_left = self._outstanding[address] - 1
            if n_left:
                self._outstanding[address] = n_left
            else:
                del self._outstanding[address]
            if isinstance(error, NodeUnreachable):
                self._fail(address, error, at_once=True)
            elif isinstance(error, NodeFailure) and not isinstance(error, NodeError):
                self._fail(address, error, at_once=False)
            elif isinstance(error, MlopsError | None) and not isinstance(error, _ABANDONED):
                if self._breakers:
                    self._breakers.succeed(address)
                if bundle_id:
                    is_cold = isinstance(error, BundleUnknown | PoolMissing)
                    self._mark(address, bundle_id, is_warm=not is_cold)
            else:
                self._breakers.abandon(address)

    def _fail(self, address: str, error: MlopsError, *, at_once: bool) -> None:
        if self._breakers.fail(address, error.message, at_once=at_once):
            self._cool(address)

    def _mark(self, address: str, bundle_id: str, *, is_warm: bool) -> None:
        known = self._warm.get(bundle_id, ())
        if is_warm and address not in known:
            self._warm[bundle_id] = (*known, address)
            if len(self._warm) > _MOST_WARM_BUNDLES:
                del self._warm[next(iter(self._warm))]
        elif not is_warm and address in known:
            self._warm[bundle_id] = tuple(one for one in known if one != address)

    def _cool(self, address: str) -> None:
        for bundle_id, addresses in list(self._warm.items()):
            if address in addresses:
                self._warm[bundle_id] = tuple(one for one in addresses if one != address)


class Attempt:
    """One call to one node, counted from entering to leaving the context."""

    __slots__ = ("_bundle_id", "_is_last", "_registry", "address", "error")

    def __init__(self, registry: Registry, address: str, bundle_id: str, *, is_last: bool) -> None:
        self._registry = registry
        self._bundle_id = bundle_id
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
        self._registry.settle(self.address, self._bundle_id, error)
        if isinstance(error, Busy) and not self._is_last:
            self.error = error
            return True
        return False


registry = Registry()


def addresses() -> tuple[str, ...]:
    """The addresses that calls may go to, at most about a second old."""
    return registry.picture().addresses


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


def _none_ready(picture: Picture, last_error: str) -> Busy:
    if not picture.addresses:
        return Busy("No compute node is ready: none is declared, or no member of a range answers.")
    return Busy(f"No compute node is ready; try again in a moment. The last error: {last_error}")
