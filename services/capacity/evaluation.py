"""Capacity evaluation: how many callers a service bears (admin.md section 11).

Calls are made to a web node over HTTP, as by its users, and the stages are what web node and
compute node themselves measured. A "thread" is a caller that calls again as soon as it is answered.

The limits of pools hold for the test as well: what is measured is what callers would see, and no
shells are started for it that they would not get. A call for which no shell is free waits, which
is the stage Create Shell, and one that is refused (503) counts as failed.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

import uvloop

from mlops.accounts.audit import record
from mlops.accounts.models import User
from mlops.accounts.refusals import noting_refusals
from mlops.accounts.roles import Role, require_role
from mlops.errors import MlopsError
from nodes.compute_node import close_connections
from nodes.stopwatch import STAGES, stages_of
from services.capacity.options import LATENCY, Options
from services.capacity.samples import Samples
from services.diagnostics.checks import some_runtime
from services.temporary import INPUTS, temporary_service
from services.web_node import WebNode, signed_in

logger = logging.getLogger(__name__)

DEFAULT_SERVICE = "[default-service]"
_WARM_UP_CALLS = 20
_CALL_SECONDS = 60
_TELL_SECONDS = 1.0
_PAUSE_SECONDS = 0.05  # of a caller whose call was refused

Progress = Callable[[dict[str, Any]], None]


class CannotMeasure(MlopsError):  # noqa: N818 - as its siblings
    """No call went well, so there is nothing to tell; the message says why."""

    status = 502


@noting_refusals("evaluate capacity")
def evaluate(
    *,
    user: User,
    options: Options,
    endpoint: str = "",
    token: str = "",
    on_progress: Progress = lambda _: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """The report; `on_progress` gets it as it grows, without points, about every second.

    Raises Forbidden below Owner, InvalidRequest, CannotMeasure when no call goes well, and the
    errors of the web node. Cancelling ends it after the calls under way, with what there is.
    """
    require_role(user, Role.OWNER)
    options = options.checked()
    service = f"{options.service}/{options.version}" if options.service else DEFAULT_SERVICE
    record("evaluate capacity", user=user, object=service, after=options.as_json())
    with ExitStack() as stack:
        web_node = stack.enter_context(signed_in(user, endpoint=endpoint, token=token))
        if not options.service:
            published = stack.enter_context(temporary_service(user=user, runtime=some_runtime()))
            options = replace(
                options,
                service=published.name,
                version=published.version,
                inputs=INPUTS.decode(),
            )
        run = _Run(web_node, options, service, on_progress, is_cancelled)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run.report())


class _Run:
    """One evaluation under way."""

    def __init__(
        self,
        web_node: WebNode,
        options: Options,
        service: str,
        on_progress: Progress,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._web_node = web_node
        self._options = options
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled
        self._is_stopped = False
        self._body = options.inputs.encode()
        self._overhead = 0.0
        self._report: dict[str, Any] = {
            "service": service,
            "endpoint": web_node.url,
            "startedAt": datetime.now(UTC).isoformat(timespec="seconds"),
            "options": {**options.as_json(), "service": service, "version": ""},
            "overhead": 0.0,
            "steps": [],
            "stopped": "",
        }

    async def report(self) -> dict[str, Any]:
        try:
            self._overhead = await self._measure_overhead()
            self._report["overhead"] = round(self._overhead, 3)
            for threads in self._options.steps():
                step = await self._step(threads)
                self._report["steps"].append(step)
                if why := self._why_stop(step):
                    self._report["stopped"] = why
                    break
            else:
                self._report["stopped"] = "The most threads that were asked for have been reached."
            return self._report
        finally:
            await close_connections()

    def _why_stop(self, step: dict[str, Any]) -> str:
        if self._is_stopped:
            return "It was cancelled."
        if not step["calls"]:
            return f"No call went well any more: {step['lastFailure']}"
        if self._options.strategy == LATENCY and step["latency"] > self._options.latency:
            return f"The average latency is above {self._options.latency:g} ms."
        return ""

    async def _measure_overhead(self) -> float:
        """The time of a call outside of the web node, when nothing else is going on."""
        samples, outside = Samples(), []
        for _ in range(_WARM_UP_CALLS):
            called = await self._call(samples)
            if called is not None:
                total, stages = called
                outside.append(max(0.0, total - stages["web"]))
        if not outside:
            raise CannotMeasure(f"No call went well: {samples.last_failure}")
        return median(outside)

    async def _step(self, threads: int) -> dict[str, Any]:
        samples, began = Samples(), time.perf_counter()
        ends_at = began + self._options.seconds

        async def caller() -> None:
            while not self._is_stopped and time.perf_counter() < ends_at:
                called = await self._call(samples)
                if called is None:
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    samples.add((time.perf_counter() - began) * 1000, *called)

        callers = [asyncio.create_task(caller()) for _ in range(threads)]
        n_told = 0
        while callers:
            _, pending = await asyncio.wait(callers, timeout=_TELL_SECONDS)
            callers = list(pending)
            seconds = time.perf_counter() - began
            latest = max(0.0, samples.mean_since(n_told) - self._overhead)
            n_told = samples.n_calls
            await self._tell(samples.figures(threads, seconds, self._overhead), latest)
        return samples.report(threads, time.perf_counter() - began, self._overhead)

    async def _tell(self, step: dict[str, Any], latest: float) -> None:
        """Tell how far it is, and ask whether to go on; neither on the loop that calls."""
        done = without_points(self._report)
        progress = {**done, "steps": [*done["steps"], step], "latest": round(latest, 3)}

        def tell() -> bool:
            self._on_progress(progress)
            return self._is_cancelled()

        if await asyncio.to_thread(tell):
            self._is_stopped = True

    async def _call(self, samples: Samples) -> tuple[float, dict[str, float]] | None:
        """How long a call took, and its stages; None when it failed."""
        options = self._options
        try:
            response, total = await self._web_node.score(
                options.service,
                options.version,
                self._body,
                timing="stages",
                seconds=_CALL_SECONDS,
            )
        except MlopsError as error:
            samples.fail(error.message)
            return None
        if response.status != 200 or not response.body.startswith(b'{"success":true'):
            samples.fail(_failure(response.status, response.body))
            return None
        stages = stages_of(response.header("Server-Timing"))
        if stages.keys() != STAGES.keys():
            samples.fail("The web node does not tell its stages: the token is no Owner's.")
            return None
        return total, stages


def without_points(report: dict[str, Any]) -> dict[str, Any]:
    """The report with the figures of its steps alone."""
    steps = [
        {name: value for name, value in step.items() if name != "points"}
        for step in report["steps"]
    ]
    return {**report, "steps": steps}


def conclusion(report: dict[str, Any]) -> str:
    """What the last step says, in a sentence."""
    if not report["steps"]:
        return "No step came to its end."
    last = report["steps"][-1]
    server, latency = last["stages"]["web"], last["latency"]
    return (
        f"{last['threads']} threads: the average server-side time is {server:.1f} ms, the average"
        f" latency {latency:.1f} ms, at {last['perSecond']:.0f} calls a second."
    )


def _failure(status: int, body: bytes) -> str:
    try:
        answer = json.loads(body)
        message = str(answer.get("message") or answer.get("errorMessage") or "")
    except (ValueError, AttributeError):
        message = ""
    return f"{status}: {message[:300]}" if status != 200 else f"The service failed: {message[:300]}"
