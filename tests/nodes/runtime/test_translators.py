"""Processes that turn bodies from one format into another: who gets which."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from nodes.runtime.config import NodeConfig
from nodes.runtime.errors import Busy, CutOff, ShellDied
from nodes.runtime.shell import Shell
from nodes.runtime.starting import Starter
from nodes.runtime.translators import Translators


class Translator:
    """Answers whatever it is asked, and notes its end."""

    is_killed = False

    async def call(self, header: dict[str, Any], body: bytes, **_: Any) -> Any:
        return {"ok": True, **header}, body

    def kill(self) -> None:
        self.is_killed = True


class SlowStarter:
    """Starts translators when it is let; notes how many starts there were and were broken off."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.n_starts = self.n_broken_off = 0
        self.started: list[Translator] = []
        self._failure = failure

    async def start(self) -> Shell:
        self.n_starts += 1
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.n_broken_off += 1
            raise
        if self._failure and self.n_starts == 1:
            raise self._failure
        self.started.append(Translator())
        return cast(Shell, self.started[-1])


def translators(starter: SlowStarter, queue_length: int = 1000) -> Translators:
    config = NodeConfig(
        cluster_key="", data_dir=Path(), python="python3", rscript="", queue_length=queue_length
    )
    return Translators(cast(Starter, starter), config)


async def leave_while_it_starts(translators: Translators, starter: SlowStarter) -> None:
    caller = asyncio.create_task(translators.columns(b"{}", "json"))
    await starter.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


def test_a_start_is_finished_for_the_next_caller_when_its_own_has_left() -> None:
    async def main() -> None:
        starter = SlowStarter()
        ours = translators(starter)
        await leave_while_it_starts(ours, starter)
        starter.go.set()
        while not starter.started:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await ours.columns(b"{}", "json") == b"{}"
        assert (starter.n_starts, starter.n_broken_off) == (1, 0)

    asyncio.run(main())


def test_a_start_that_fails_when_its_caller_has_left_is_nobody_elses_trouble() -> None:
    async def main() -> None:
        starter = SlowStarter(ShellDied("it did not start"))
        ours = translators(starter)
        await leave_while_it_starts(ours, starter)
        starter.go.set()
        assert await ours.columns(b"{}", "json") == b"{}"
        assert starter.n_starts == 2

    asyncio.run(main())


def test_a_node_that_stops_waits_for_no_start() -> None:
    async def main() -> None:
        starter = SlowStarter()
        ours = translators(starter)
        await leave_while_it_starts(ours, starter)
        ours.stop()
        while not starter.n_broken_off:
            await asyncio.sleep(0)
        assert starter.started == []

    asyncio.run(main())


def test_only_before_a_run_is_a_full_line_said_to_be_one() -> None:
    async def main() -> None:
        starter = SlowStarter()
        ours = translators(starter, queue_length=1)
        caller = asyncio.create_task(ours.columns(b"{}", "json"))
        await starter.begun.wait()
        with pytest.raises(Busy):
            await ours.for_r(b"{}", "json", ())
        with pytest.raises(CutOff):  # which no web node repeats on another node
            await ours.answer(b"", "csv")
        starter.go.set()
        assert await caller == b"{}"

    asyncio.run(main())
