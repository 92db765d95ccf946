"""Callers that do not wait for each other: so many calls a second, each answer checked.

`python -m tests.cluster.load` reads what to do from the first line of its standard input and ends
with that; one line for each call goes to the file named there.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from dataclasses import dataclass

from tests.cluster.calls import Call, problem_of, write
from tests.cluster.services import SERVICES, Service

CALL_SECONDS = 60  # so long a caller waits
_LARGEST_NUMBER = 2**22  # exact in the realtime model's single precision


@dataclass
class Callers:
    """Calls of one load balancer over kept-alive connections."""

    host: str
    port: int
    token: str

    def __post_init__(self) -> None:
        # Kept alive: as a stack, so that few are used when few do.
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.calls: list[Call] = []

    async def call(self, service: Service, number: int) -> None:
        """One call, recorded."""
        call = Call(service.name, time.monotonic())
        try:
            async with asyncio.timeout(CALL_SECONDS):
                status, headers, body = await self._exchange(service.path, service.body(number))
        except TimeoutError:
            call.problem = "no answer in time"
        except (OSError, asyncio.IncompleteReadError) as error:
            call.problem, call.text = "connection broke", repr(error)
        else:
            call.status, call.web = status, headers.get("x-web-node", "")
            self._judge(call, service, number, body)
        call.end = time.monotonic()
        self.calls.append(call)

    def _judge(self, call: Call, service: Service, number: int, body: bytes) -> None:
        if call.status != 200:
            call.problem, call.text = problem_of(call.status, body)
            return
        is_right, call.node = service.read(number, body)
        if not is_right:
            failed = b'"success":false' in body
            call.problem = "code failed" if failed else "wrong"
            call.text = body[:500].decode(errors="replace")

    async def _exchange(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
                f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
            answer = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(first.split()[1]), headers, answer


async def main() -> None:
    """Call until standard input ends, then wait for what is under way."""
    told = json.loads(await asyncio.to_thread(sys.stdin.readline))
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    callers = Callers(told["host"], told["port"], told["token"])
    mix = [service for service in SERVICES for _ in range(service.share)]
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in itertools.count():
            if ending.done():
                break
            service, number = random.choice(mix), random.randrange(_LARGEST_NUMBER)
            group.create_task(callers.call(service, number))
            # What was late is made up for: the rate is kept.
            await asyncio.sleep(max(0.0, began + (index + 1) / told["rate"] - time.monotonic()))
    write(told["file"], callers.calls)


if __name__ == "__main__":
    asyncio.run(main())
