"""One scoring call on this node: a shell, the bundle in it, the run, the result."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from . import laps, results
from .bundles import Bundle
from .config import NodeConfig
from .definitions import DedicatedPools
from .errors import (
    InvalidInput,
    LoadFailed,
    PoolMissing,
    RuntimeUnavailable,
    ShellDied,
    ShellUnreached,
)
from .formats.media import JSON, PLAIN, Formats
from .inputs import InputError
from .lending import Lender
from .loading import load
from .merging import Merger
from .pool import Pool
from .r_values import score_request
from .shell import Shell
from .translators import INLINE_PARSE_BYTES, Translators

logger = logging.getLogger(__name__)

_FAILED_LOAD_SECONDS = 2.0
_FAILED_LOADS_MAX = 1000
_LOGGED_CHARACTERS = 4000  # of the message of a failed call

_Request = tuple[dict[str, Any], bytes]  # header and body of a frame


@dataclass(frozen=True, slots=True)
class _FailedLoad:
    until: float
    result: bytes


class Scorer:
    """Scores bundles with the shells of their dedicated pools, or of the pool of their runtime."""

    def __init__(
        self,
        pools: dict[str, Pool],
        dedicated: DedicatedPools,
        translators: Translators,
        config: NodeConfig,
    ) -> None:
        self._pools = pools
        self._dedicated = dedicated
        self._translators = translators
        self._run_seconds = config.run_seconds
        self._expired = (
            f"The call was stopped after {config.run_seconds:g} seconds, "
            "the longest that a call may run."
        )
        self._failed_loads: dict[str, _FailedLoad] = {}
        self._calls: Counter[str] = Counter()
        self.merger = Merger(config, self._load_for_several)

    def bundles_in_use(self) -> Collection[str]:
        """The bundles that calls are about."""
        return self._calls.keys()

    async def score(
        self, bundle: Bundle, body: bytes, *, correlation_id: str = "", formats: Formats = PLAIN
    ) -> bytes:
        """The complete result JSON, or the data frame in another format; failures of user code are
        results too, in JSON always.

        `InvalidInput` when the body does not fit; `Busy`, `PoolMissing` and `RuntimeUnavailable`
        when nothing was run. Cancelling it kills the shell that runs the call.
        """
        self._calls[bundle.id] += 1
        try:
            return await self._score(bundle, body, correlation_id, formats)
        finally:
            self._calls[bundle.id] -= 1
            if not self._calls[bundle.id]:
                del self._calls[bundle.id]

    async def _score(
        self, bundle: Bundle, body: bytes, correlation_id: str, formats: Formats
    ) -> bytes:
        pool = self._pool_for(bundle)
        if failed := self._failed_load(bundle.id):
            return failed
        shell = None
        try:
            if formats is PLAIN and self.merger.takes(bundle, pool, body):
                outcome = await self.merger.wait(bundle, pool, body)
                if isinstance(outcome, bytes):
                    return outcome
                shell = outcome
            result = await self._run_alone(pool, shell, bundle, body, correlation_id, formats)
        except LoadFailed as failure:
            _log_failure(correlation_id, bundle, failure.message)
            return results.failure(failure.message, failure.console)
        if formats.answer != JSON and bundle.manifest.runtime == "R":
            results.require_success(result)
            return await self._translators.answer(result, formats.answer)
        return result

    async def _run_alone(
        self,
        pool: Lender,
        shell: Shell | None,
        bundle: Bundle,
        body: bytes,
        correlation_id: str,
        formats: Formats,
    ) -> bytes:
        """The result of a call that is not merged; `LoadFailed` when a pool says so."""
        request = None if shell else await self._request(bundle, body, formats)
        asked = laps.current()
        while True:
            if shell is None:
                if asked:
                    asked.lap("")
                shell = await pool.acquire(bundle.id)
                if asked:
                    asked.lap(laps.SHELL)
            reusable = False  # until it has answered: else a call is in flight or its state unknown
            try:
                request = request or await self._request(bundle, body, formats)
                result, reusable = await self._run(shell, bundle, request, correlation_id)
                return result
            except ShellUnreached:
                pass
            except ShellDied as death:
                logger.warning("Call %s of bundle %s: %s", correlation_id, bundle.id, death)
                return results.failure(str(death), shell.console.finish())
            except InvalidInput:
                reusable = True
                raise
            finally:
                # Once given back the shell may at once be somebody else's: this comes last.
                if reusable:
                    pool.release(shell)
                else:
                    pool.discard(shell)
            shell = None

    def _pool_for(self, bundle: Bundle) -> Lender:
        dedicated = self._dedicated.get(bundle.id)
        if dedicated:
            return dedicated
        if bundle.manifest.pool is not None:  # it must not borrow from the generic pool
            raise PoolMissing("This node has no dedicated pool for the bundle yet.")
        pool = self._pools.get(bundle.manifest.runtime)
        if pool is None:
            raise RuntimeUnavailable(f"This node does not run {bundle.manifest.runtime}.")
        return pool

    async def _run(
        self, shell: Shell, bundle: Bundle, request: _Request, correlation_id: str
    ) -> tuple[bytes, bool]:
        """The result, and whether the shell may serve another call."""
        deadline = asyncio.get_running_loop().time() + self._run_seconds
        asked = laps.current()
        if asked:
            asked.lap("")
        if failed := await self._load(shell, bundle, deadline, correlation_id):
            return failed, False
        if asked:
            asked.lap(laps.LOAD)
        shell.console.begin()
        header, data = await shell.call(*request, deadline=deadline, expired=self._expired)
        if asked:
            asked.lap(laps.RUN)
        console = shell.console.finish()
        if header.get("retire"):
            logger.info("Shell %d is replaced: %s", shell.pid, header["retire"])
        if header.get("kind") == "invalid":
            raise InvalidInput(str(header["message"]), fields=str(header.get("field") or ""))
        success, error_message = bool(header["success"]), str(header["errorMessage"])
        if success and request[0].get("answer", JSON) != JSON:
            return data, not header.get("retire")
        if not success:
            _log_failure(correlation_id, bundle, error_message)
        result = await results.result(
            success=success,
            error_message=error_message,
            console=console,
            body=data,
        )
        return result, not header.get("retire")

    async def _load(
        self, shell: Shell, bundle: Bundle, deadline: float, correlation_id: str
    ) -> bytes | None:
        """None once the shell has the bundle; the result of calls when it cannot be loaded."""
        if shell.bundle_id is not None:
            return None
        try:
            await load(shell, bundle, deadline=deadline, expired=self._expired)
        except LoadFailed as failure:
            _log_failure(correlation_id, bundle, failure.message)
            return self._remember_failed_load(bundle.id, failure)
        return None

    async def _load_for_several(self, shell: Shell, bundle: Bundle) -> bytes | None:
        deadline = asyncio.get_running_loop().time() + self._run_seconds
        return await self._load(shell, bundle, deadline, "of several callers")

    async def _request(self, bundle: Bundle, body: bytes, formats: Formats) -> _Request:
        """What a shell is asked; `InvalidInput` where that takes a look into the body."""
        if bundle.manifest.runtime != "R":
            return {"op": "score"} if formats is PLAIN else {"op": "score", **asdict(formats)}, body
        try:
            if formats is PLAIN and len(body) <= INLINE_PARSE_BYTES:
                return score_request(body, bundle.manifest.inputs)
        except InputError as error:
            raise InvalidInput(error.message, fields=error.fields) from None
        data, is_mixed = await self._translators.for_r(
            body, formats.request, bundle.manifest.inputs
        )
        request: dict[str, Any] = {"op": "score"}
        if formats.answer != JSON:
            request = {"op": "score_as_columns", "answer": formats.answer}
        return {**request, **({"mixed": True} if is_mixed else {})}, data

    def _failed_load(self, bundle_id: str) -> bytes | None:
        # A version that cannot be loaded uses up a shell per attempt. Under a flood of calls a
        # recent failure stands for a moment, so that other versions still find shells.
        failed = self._failed_loads.get(bundle_id)
        return failed.result if failed and time.monotonic() < failed.until else None

    def _remember_failed_load(self, bundle_id: str, failure: LoadFailed) -> bytes:
        result = results.failure(failure.message, failure.console)
        if len(self._failed_loads) >= _FAILED_LOADS_MAX:
            self._failed_loads.clear()
        until = time.monotonic() + _FAILED_LOAD_SECONDS
        self._failed_loads[bundle_id] = _FailedLoad(until, result)
        return result


def _log_failure(correlation_id: str, bundle: Bundle, message: str) -> None:
    """The failure of user code as one line, whatever its message holds."""
    text = json.dumps(message[:_LOGGED_CHARACTERS])
    logger.warning("Call %s of bundle %s failed: %s", correlation_id, bundle.id, text)
