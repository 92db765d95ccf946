"""Many callers at once on a realtime service, as the load test of the original has it.

    MLOPS_PASSWORD=... python -m tests.clients.load_test admin http://host:12800 [callers [calls]]

One login; the token is cut out of the answer by a pattern, not by parsing JSON. Then so many
callers (100) post so many times (10) a table of 1000 rows each, and every row of every answer is
looked at. Exits with 0 when none was wrong. It publishes its service itself and removes it.
"""

import asyncio
import getpass
import json
import os
import random
import re
import sys
import uuid
from dataclasses import dataclass, field

import httpx
from onnx import helper

from tests.nodes.runtime.realtime.models import FLOAT, contained, model

N_ROWS = 1000
TOKEN = re.compile(r'access_token":"(.+?)",')
TIMEOUT_SECONDS = 300


@dataclass
class Outcome:
    """What came back: how many answers, and what was wrong with the wrong ones."""

    n_right: int = 0
    wrong: list[str] = field(default_factory=list)


def run(url: str, username: str, password: str, *, n_callers: int, n_calls: int) -> Outcome:
    """Publish the service, call it from everywhere, delete it."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http:
        http.headers["Authorization"] = f"Bearer {_token(http, username, password)}"
        service = f"load-test-{uuid.uuid4()}/1.0.0"
        http.post(f"/realtime-services/{service}", files={"model": _adding()}).raise_for_status()
        try:
            address = f"{url}/api/{service}"
            return asyncio.run(_call(address, http.headers, n_callers, n_calls))
        finally:
            http.delete(f"/services/{service}").raise_for_status()


def _token(http: httpx.Client, username: str, password: str) -> str:
    answer = http.post("/login", json={"username": username, "password": password})
    found = TOKEN.search(answer.raise_for_status().text)
    if found is None:
        raise ValueError("The pattern for the token does not match the answer to the login.")
    return found[1]


def _adding() -> bytes:
    """A model whose column Sum is Number and Start added."""
    return contained(
        model(
            [helper.make_node("Add", ["Number", "Start"], ["Sum"])],
            [("Number", FLOAT, [None, 1]), ("Start", FLOAT, [None, 1])],
            [("Sum", FLOAT, [None, 1])],
        )
    )


async def _call(address: str, headers: httpx.Headers, n_callers: int, n_calls: int) -> Outcome:
    outcome = Outcome()
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, limits=limits) as http,
        asyncio.TaskGroup() as callers,
    ):
        for number in range(n_callers):
            callers.create_task(_caller(http, address, number, n_calls, outcome))
    return outcome


async def _caller(
    http: httpx.AsyncClient, address: str, number: int, n_calls: int, outcome: Outcome
) -> None:
    """One caller, whose numbers are unlike those of all others."""
    chance = random.Random(number)
    for _ in range(n_calls):
        # Whole numbers small enough to be exact in the model's single precision.
        table = {
            name: [float(chance.randrange(2**22)) for _ in range(N_ROWS)]
            for name in ("Number", "Start")
        }
        expected = [a + b for a, b in zip(table["Number"], table["Start"], strict=True)]
        problem = await _problem(http, address, table, expected)
        if problem:
            outcome.wrong.append(problem)
        else:
            outcome.n_right += 1


async def _problem(
    http: httpx.AsyncClient, address: str, table: dict[str, list[float]], expected: list[float]
) -> str:
    """What is wrong with the answer; empty when nothing is."""
    try:
        answer = await http.post(address, json={"inputData": table})
    except httpx.HTTPError as error:
        return repr(error)
    if answer.status_code != 200:
        return f"{answer.status_code}: {answer.text[:300]}"
    try:
        got = answer.json()["outputParameters"]["outputData"]["Sum"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"no such answer was expected: {answer.text[:300]}"
    return "" if got == expected else "rows of somebody else, or sums that are none"


def main(arguments: list[str]) -> int:
    """The exit status."""
    if len(arguments) not in (2, 3, 4):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    username, url, *numbers = arguments
    n_callers, n_calls = [*(int(number) for number in numbers), *(100, 10)[len(numbers) :]]
    password = os.environ.get("MLOPS_PASSWORD") or getpass.getpass()
    outcome = run(url.rstrip("/"), username, password, n_callers=n_callers, n_calls=n_calls)
    for problem in outcome.wrong[:10]:
        sys.stderr.write(f"Wrong: {problem}\n")
    sys.stdout.write(f"{outcome.n_right} right, {len(outcome.wrong)} wrong\n")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
