"""Which compute nodes may be called, as the database has it: read each second, not at each call."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from mlops.ahead import Ahead
from mlops.database import kept_connection
from mlops.errors import InvalidRequest
from nodes import uris
from nodes.models import NodeDrain, NodeEntry, NodeHealth, Runtime
from nodes.runtime.api_version import API_VERSION, is_compatible

logger = logging.getLogger(__name__)

_REFRESH_SECONDS = 1.0
_AGEING_SECONDS = 0.5  # from then on it is read again, in the background


@dataclass(frozen=True)
class Picture:
    """The nodes that may be called, as the database had it: all, and those that run a language."""

    addresses: tuple[str, ...]
    by_runtime: Mapping[str, tuple[str, ...]]
    # How much each can do, where 1 is the mean of all; those that have not said are left out.
    weights: Mapping[str, float] = field(default_factory=dict)
    drained: tuple[str, ...] = ()  # nodes that would be among the addresses otherwise


def load_picture() -> Picture:
    """The candidates now: declared single addresses, and members of ranges that answer.

    The prober records which do and what they run; what it recorded last counts, however long ago.
    It only ever narrows the choice: where nothing would be left, all that are known stay in. Never
    called are nodes of another major version of the compute node API, and those that are drained.
    """
    entries = declared_uris()
    ranges = [uri for uri in entries if uri.is_range]
    candidates = [str(uri) for uri in entries if not uri.is_range]
    silent: list[str] = []
    foreign: set[str] = set()
    lacking: dict[str, set[str]] = {runtime: set() for runtime in Runtime.values}
    capacities: dict[str, float] = {}
    for health in NodeHealth.objects.all():
        if not is_compatible(health.report.get("apiVersion", API_VERSION)):
            foreign.add(health.address)
        if health.capacity:
            capacities[health.address] = health.capacity
        address = _parsed(health.address)
        if any(uri.contains(address) for uri in ranges):
            (candidates if health.is_answering else silent).append(health.address)
        for runtime, state in health.report.get("runtimes", {}).items():
            if not state.get("available", True):
                lacking.setdefault(runtime, set()).add(health.address)
    known = [one for one in candidates if one not in foreign] or silent
    all_known = tuple(one for one in dict.fromkeys(known) if one not in foreign)
    drained = drained_among(all_known)
    addresses = tuple(one for one in all_known if one not in drained)
    return Picture(
        addresses=addresses,
        by_runtime={
            runtime: tuple(one for one in addresses if one not in without)
            # Else those are asked for the reason; but drained ones that run it are reason enough.
            or (() if drained - without else addresses)
            for runtime, without in lacking.items()
        },
        weights=_weights(addresses, capacities),
        drained=tuple(one for one in all_known if one in drained),
    )


def _weights(addresses: Iterable[str], capacities: Mapping[str, float]) -> dict[str, float]:
    known = {address: capacities[address] for address in addresses if address in capacities}
    mean = sum(known.values()) / len(known) if known else 1.0
    return {address: capacity / mean for address, capacity in known.items() if capacity != mean}


def declared_uris() -> list[uris.NodeUri]:
    """The declared entries understood; one that is wrong is logged and left out."""
    entries = []
    for uri in NodeEntry.objects.values_list("uri", flat=True):
        try:
            entries.append(_parsed(uri))
        except InvalidRequest as error:  # it must not stop the calls to all other nodes
            logger.error("A declared compute node is left out: %s", error.message)
    return entries


def drained_among(addresses: Iterable[str]) -> set[str]:
    """Those of the addresses that are drained, alone or as part of a range."""
    drains = [_parsed(uri) for uri in NodeDrain.objects.values_list("uri", flat=True)]
    if not drains:
        return set()
    return {one for one in addresses if any(uri.contains(_parsed(one)) for uri in drains)}


@lru_cache(maxsize=4096)
def _parsed(uri: str) -> uris.NodeUri:
    return uris.parse(uri)


class CurrentPicture:
    """The picture, about a second old at most; `clock` counts seconds and never goes back."""

    def __init__(self, load: Callable[[], Picture], clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._picture: Picture | None = None
        self._loaded_at = 0.0
        self._n_changes = 0  # made by this process
        self._n_shown = 0  # of these, in the picture
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._ahead = Ahead()

    @property
    def last(self) -> Picture | None:
        """The one that was read last, however old."""
        return self._picture

    def get(self) -> Picture:
        """The picture; an older one if the database cannot be asked."""
        if self._is_stale():
            self._refresh()
        assert self._picture is not None  # noqa: S101 - `_refresh` raised otherwise
        return self._picture

    async def get_async(self) -> Picture:
        """The same, without blocking the event loop."""
        if self._is_overtaken() or (self._is_stale() and not self._refreshing.locked()):
            await sync_to_async(self._refresh_by_itself)()
        elif self._is_older(_AGEING_SECONDS):
            self._ahead.begin(sync_to_async(self._refresh_by_itself))
        assert self._picture is not None  # noqa: S101 - `_refresh` raised otherwise
        return self._picture

    def forget(self) -> None:
        """Read it anew before the next call: this process has changed what it shows."""
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
                picture = self._load()
            except DatabaseError:
                if self._picture is None:
                    raise
                logger.warning("The list of compute nodes could not be refreshed.", exc_info=True)
            else:
                if picture != self._picture:  # else the known one stays, with what hangs on it
                    self._picture = picture
            self._n_shown = n_changes
        finally:
            self._refreshing.release()

    def _refresh_by_itself(self) -> None:
        with kept_connection():
            self._refresh()
