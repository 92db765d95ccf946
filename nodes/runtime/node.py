"""The whole compute node behind its HTTP API: pools, bundles, sessions, and their end."""

import asyncio
import fcntl
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from . import guardian, isolation, reporting
from .bundles import Bundle, BundleStore
from .config import NodeConfig
from .control_groups import ControlGroups
from .definitions import DedicatedPools
from .errors import NodeError, RuntimeUnavailable
from .figures import Calls
from .formats.media import JSON, PLAIN, Formats
from .guarding import Guardian
from .housing import Housing
from .isolation import Isolation
from .manifests import REALTIME
from .pool import Pool
from .processes import Children, become_reaper
from .realtime.scoring import RealtimeScorer
from .results import is_of_success, require_success
from .scoring import Scorer
from .sessions import Sessions
from .starting import PythonStarter, RStarter, Starter
from .template import Template
from .translators import Translators

logger = logging.getLogger(__name__)

# How calls end, as HTTP statuses; 499 is what web servers note for a caller that went away.
_OK, _CALLER_GONE, _INTERNAL_ERROR = 200, 499, 500


class ComputeNode:
    """Everything one compute node does; one per process."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self._children = Children()
        self._groups = ControlGroups(config.shell_max_processes)
        self._run_dir = config.work_root / uuid.uuid4().hex  # so no run meets another's leftovers
        self._housing = Housing(config, self._run_dir, self._children, self._groups)
        self._template = Template(config, self._run_dir, self._children)
        self._starters: list[Starter] = [
            PythonStarter(config, self._housing, self._template, self._children),
            RStarter(config, self._housing, self._template, self._children),
        ]
        self.pools = {starter.runtime: Pool(starter, config) for starter in self._starters}
        self.bundles = BundleStore(
            config.bundles_dir,
            max_bytes=config.bundle_store_bytes,
            extracted_max_bytes=config.extracted_max_bytes,
            in_use=self.bundles_in_use,
        )
        by_runtime = {starter.runtime: starter for starter in self._starters}
        self.dedicated = DedicatedPools(by_runtime, self.bundles, config)
        self._translators = Translators(by_runtime["Python"], config)
        self.scorer = Scorer(self.pools, self.dedicated, self._translators, config)
        self.realtime = RealtimeScorer(self._translators, config)
        self.sessions = Sessions(self.pools, config)
        self.calls = Calls()
        self.memory = reporting.Memory(self._shell_pids)
        self.is_stopping = False  # told to, and finishing what runs
        self._guardian: Guardian | None = None
        self._lock: TextIO | None = None

    async def claim(self) -> None:
        """Takes the data directory and finds out how shells can be isolated.

        `RuntimeUnavailable` when another node has the directory, or the settings ask for what this
        host does not allow.
        """
        self._lock = _lock(self.config.data_dir)
        self._housing.isolation = await isolation.decide(self.config, self._children)
        logger.info("Shells are isolated by: %s", self._housing.isolation.level)
        if reason := self._housing.isolation.reason:
            logger.warning("Shells could be isolated better. %s", reason)

    async def start(self) -> None:
        """Cleans what a killed run left in the claimed directory, begins to start shells."""
        isolation.prepare(self.config, self._housing.isolation)
        for leftover in self.config.work_root.iterdir():
            await asyncio.to_thread(guardian.clean, leftover)
        self._run_dir.mkdir(mode=0o711)
        self._run_dir.chmod(0o711)
        become_reaper()
        self._groups.open()
        self._guardian = Guardian(self.config, self._run_dir, self._children, self._condemn)
        await asyncio.to_thread(self.bundles.open)
        for pool in self.pools.values():
            pool.start()
        self.dedicated.open()

    async def stop(self) -> None:
        """Kills all shells and whatever they started, and removes their directories."""
        self.realtime.stop()
        await asyncio.gather(
            *(pool.stop() for pool in self.pools.values()),
            self.dedicated.stop(),
            *(shell.gone() for shell in self._translators.stop()),
        )
        self._template.close()
        if self._guardian:
            await self._guardian.stop()
        self._groups.close()
        if self._lock:
            self._lock.close()

    async def score(
        self, bundle: Bundle, body: bytes, *, correlation_id: str = "", formats: Formats = PLAIN
    ) -> bytes:
        """The complete result JSON of one call, see `Scorer.score` and `RealtimeScorer.score`; or
        in another format the data frame alone, `RunFailed` when there is none."""
        runtime = bundle.manifest.runtime
        scorer = self.realtime if runtime == REALTIME else self.scorer
        status, is_success = _INTERNAL_ERROR, False
        try:
            result = await scorer.score(
                bundle, body, correlation_id=correlation_id, formats=formats
            )
            if formats.answer != JSON:
                require_success(result)
                status, is_success = _OK, True
                return result
            status, is_success = _OK, is_of_success(result)
            return result
        except NodeError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = _CALLER_GONE
            raise
        finally:
            self.calls.note(bundle.id, runtime, status=status, is_success=is_success)

    def health(self) -> dict[str, Any]:
        """The health report of the compute node API."""
        return reporting.health(self)

    @property
    def isolation(self) -> Isolation:
        """How shells are kept apart."""
        return self._housing.isolation

    def _shell_pids(self) -> Iterator[int]:
        for pool in (*self.pools.values(), *self.dedicated.all()):
            yield from pool.pids()

    def bundles_in_use(self) -> set[str]:
        """The bundles that some shell or thread has loaded, or is about to."""
        return set().union(
            self.scorer.bundles_in_use(),
            self.dedicated.bundles_in_use(),
            self.realtime.bundles_in_use(),
            *(pool.bundles_in_use() for pool in self.pools.values()),
        )

    def _condemn(self, who: str, reason: str) -> None:
        """Kills the shell of this pid, or whose home has the name."""
        for pool in (*self.pools.values(), *self.dedicated.all()):
            for shell in pool.used_shells():
                if who in (str(shell.pid), shell.home.name):
                    logger.warning("Shell %d: %s", shell.pid, reason)
                    shell.condemn(reason)


def _lock(data_dir: Path) -> TextIO:
    """The held lock on a data directory."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (data_dir / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeUnavailable(
            f"Another compute node uses {data_dir}; stop it or choose another port or directory."
        ) from None
    return file
