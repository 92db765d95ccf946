"""The models that a node has in memory: each loaded once, dropped when others need the room."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..bundles import Bundle
from .container import MODEL_FILE
from .errors import ModelRefused
from .quickness import is_quick
from .threads import Threads

if TYPE_CHECKING:
    from .model import Model

logger = logging.getLogger(__name__)

_LOADING_THREADS = 2
# What a session of the runtime needs besides its model, so that small models count as well.
_OVERHEAD_BYTES = 1024**2
_REFUSED_SECONDS = 2.0
_REFUSED_MAX = 1000


@dataclass(slots=True)
class _Loaded:
    model: "Model"
    size: int
    n_users: int = 0


@dataclass(frozen=True, slots=True)
class _Refused:
    until: float
    reason: str


class LoadedModels:
    """Models by bundle id, the least recently used first; at most `max_bytes` of model files.

    Those in use stay whatever their size, so the limit may be exceeded for as long as they are.
    """

    def __init__(self, max_bytes: int, *, on_loaded: Callable[[float, bool], None]) -> None:
        self._max_bytes = max_bytes
        self._on_loaded = on_loaded
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, _Refused] = {}
        self._threads = Threads(_LOADING_THREADS, "model-loading")
        self.n_bytes = 0  # what the models that are loaded count for

    def ids(self) -> Collection[str]:
        """The bundles whose models are loaded or being loaded."""
        return self._loaded.keys() | self._loading.keys()

    async def take(self, bundle: Bundle) -> "Model":
        """The bundle's model, loaded if need be, in use until it is given back.

        Calls at the same time share one loading; none of them breaks it off by its end. Raises
        ModelRefused.
        """
        while (loaded := self._loaded.get(bundle.id)) is None:
            self._raise_if_refused(bundle.id)
            task = self._loading.get(bundle.id)
            if task is None:
                task = self._loading[bundle.id] = asyncio.create_task(self._load(bundle))
            await asyncio.shield(task)
        self._loaded.move_to_end(bundle.id)
        loaded.n_users += 1
        return loaded.model

    def give_back(self, bundle_id: str) -> None:
        """The counterpart of `take`."""
        self._loaded[bundle_id].n_users -= 1
        self._trim()

    def stop(self) -> None:
        """Load no more."""
        for task in self._loading.values():
            task.cancel()
        self._threads.stop()

    async def _load(self, bundle: Bundle) -> None:
        path = bundle.directory / "files" / MODEL_FILE
        began = time.monotonic()
        try:
            model = await self._in_thread(path)
            size = path.stat().st_size + _OVERHEAD_BYTES
        except (ModelRefused, OSError) as error:
            logger.warning("Bundle %s: %s", bundle.id, error)
            # Loading it again for each of a flood of calls would help nobody.
            if len(self._refused) >= _REFUSED_MAX:
                self._refused.clear()
            until = time.monotonic() + _REFUSED_SECONDS
            self._refused[bundle.id] = _Refused(until, str(error))
        else:
            self._refused.pop(bundle.id, None)
            self._loaded[bundle.id] = _Loaded(model, size)
            self.n_bytes += size
            self._trim(spared=bundle.id)
        finally:
            del self._loading[bundle.id]
            self._on_loaded(time.monotonic() - began, bundle.id in self._loaded)

    async def _in_thread(self, path: Path) -> "Model":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Model] = loop.create_future()

        def finish(model: "Model | None", error: Exception | None) -> None:
            if future.cancelled():
                return
            if model is not None:
                future.set_result(model)
            elif error is not None:
                future.set_exception(error)

        def load() -> None:
            model, failure = None, None
            try:
                from .model import Model  # a node without realtime versions never imports it

                model = Model(path)
                model.is_quick = is_quick(model, path)
            except Exception as error:  # noqa: BLE001 - it is raised in the caller
                failure = error
            loop.call_soon_threadsafe(finish, model, failure)

        self._threads.submit(load)
        return await future

    def _raise_if_refused(self, bundle_id: str) -> None:
        refused = self._refused.get(bundle_id)
        if refused and time.monotonic() < refused.until:
            raise ModelRefused(refused.reason)

    def _trim(self, spared: str = "") -> None:
        excess = self.n_bytes - self._max_bytes
        if excess <= 0:
            return
        for bundle_id, loaded in list(self._loaded.items()):
            if excess > 0 and not loaded.n_users and bundle_id != spared:
                excess -= loaded.size
                self.n_bytes -= loaded.size
                del self._loaded[bundle_id]
