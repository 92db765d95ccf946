"""Keeps the programs of one box running: starts, watches, restarts and stops them.

A program that hangs counts as dead: it is probed, and killed when it gives no sign of life. One
that dies is started again, the sooner the longer it had lived.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from mlops.onebox.logs import RotatingLog
from mlops.onebox.probes import Probe
from mlops.onebox.processes import BoxProcess
from nodes.runtime.processes import Children, become_reaper

LOOK_SECONDS = 0.1
START_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to tell that it works; `stops_last` for one that others still need.

    It does not get the variables in `withheld`.
    """

    name: str
    command: Sequence[str]
    probe: Probe
    log: RotatingLog
    stops_last: bool = False
    withheld: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Patience:
    """For how many seconds the supervisor waits for what."""

    start: float = 120.0  # first sign of life
    probe_every: float = 5.0
    silence: float = 30.0  # without a sign of life
    stop: float = 15.0  # SIGTERM to SIGKILL
    restart: float = 0.2  # before the first restart; doubled with each that follows soon
    restart_at_most: float = 30.0
    calm: float = 60.0  # of life, after which a death counts as the first again


class StartError(Exception):
    """A program did not come up at the start of the box; the text shows the end of its log."""


class Supervisor:
    """Runs `programs` until a signal asks to stop. `say` tells a person what happens."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._programs = programs
        self._environment = environment
        self._say = say
        self._patience = patience or Patience()
        self._children = Children()
        self._running: dict[BoxProcess, bool] = {}  # each with whether it stops last
        self._up = {program.name: asyncio.Event() for program in programs}
        self._is_stopping = False
        self._stop_at_once = False

    async def run(self, when_up: Callable[["Supervisor"], Awaitable[None]]) -> None:
        """Returns when all has ended; `when_up` is awaited once every program works.

        Raises StartError when one does not come up. Nothing is left running in any case.
        """
        become_reaper()
        work = asyncio.ensure_future(self._work(when_up))
        for number in _signals_to_heed():
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop, work)
        try:
            await work
        except asyncio.CancelledError:
            self._say("Stopping.")
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await self._stop()

    async def run_once(self, command: Sequence[str], output: Callable[[bytes], None]) -> int:
        """The exit status of `command`, run beside the programs and stopped with them."""
        process = self._begin(command, output)
        status = await process.reap()
        del self._running[process]
        return status

    async def _work(self, when_up: Callable[["Supervisor"], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as keepers:
            for program in self._programs:
                keepers.create_task(self._keep(program))
            for event in self._up.values():
                await event.wait()
            await when_up(self)

    def _asked_to_stop(self, work: "asyncio.Future[None]") -> None:
        if self._is_stopping:  # asked again: somebody is in a hurry
            self._stop_at_once = True
        self._is_stopping = True
        work.cancel()

    def _begin(
        self,
        command: Sequence[str],
        output: Callable[[bytes], None],
        *,
        stops_last: bool = False,
        withheld: Collection[str] = (),
    ) -> BoxProcess:
        environment = {
            name: value for name, value in self._environment.items() if name not in withheld
        }
        process = BoxProcess(
            command, children=self._children, environment=environment, output=output
        )
        self._running[process] = stops_last
        return process

    async def _keep(self, program: Program) -> None:
        """Runs `program` again and again."""
        patience, deaths = self._patience, 0
        while True:
            began = monotonic()
            how = await self._run_program(program)
            deaths = 1 if monotonic() - began > patience.calm else deaths + 1
            if deaths == START_TRIES and not self._up[program.name].is_set():
                raise StartError(
                    f"The {program.name} does not start: it {how}. The end of its log, "
                    f"{program.log.path}:\n{program.log.tail(lines=20)}"
                )
            self._say(f"The {program.name} {how}; starting it again. Log: {program.log.path}")
            await asyncio.sleep(
                min(patience.restart * 2 ** min(deaths - 1, 30), patience.restart_at_most)
            )

    async def _run_program(self, program: Program) -> str:
        """Runs `program` to its end, which comes by itself or when it hangs; how that was."""
        process = self._begin(
            program.command,
            program.log.write,
            stops_last=program.stops_last,
            withheld=program.withheld,
        )
        hung_for = await self._watch(program, process)
        if hung_for is not None:
            process.kill()
        status = await process.reap()
        del self._running[process]
        if hung_for is not None:
            return f"gave no sign of life for {hung_for:.0f} seconds and was killed"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    async def _watch(self, program: Program, process: BoxProcess) -> float | None:
        """None when `process` has ended; else the seconds for which it gave no sign of life."""
        last_sign, is_up = monotonic(), False
        while not await process.ended_within(self._patience.probe_every if is_up else LOOK_SECONDS):
            if await program.probe():
                last_sign, is_up = monotonic(), True
                self._up[program.name].set()
            silence = monotonic() - last_sign
            if silence > (self._patience.silence if is_up else self._patience.start):
                return silence
        return None

    async def _stop(self) -> None:
        """Ends all that runs: first what serves callers, then what those need."""
        for last in (False, True):
            group = [process for process, stops_last in self._running.items() if stops_last == last]
            for process in group:
                process.ask_to_end()
            await asyncio.gather(*(self._end(process) for process in group))
        self._children.sweep()

    async def _end(self, process: BoxProcess) -> None:
        deadline = monotonic() + self._patience.stop
        while not await process.ended_within(LOOK_SECONDS):
            if self._stop_at_once or monotonic() > deadline:
                process.kill()
        await process.reap()


def _signals_to_heed() -> list[signal.Signals]:
    """The signals that ask to stop; a terminal that closes does not, below nohup."""
    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    return asking
