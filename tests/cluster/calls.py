"""Calls as callers saw them, and what they say of a failure."""

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WRONG = "wrong"
HELD_UP_SECONDS = 1.0  # no call takes so long while all is well


@dataclass
class Call:
    """One call; times in seconds of this machine's clock. Without a problem it was answered right.

    `node` is the compute node that answered, as far as the answer says so, `web` the web node.
    """

    service: str
    begin: float
    end: float = 0.0
    status: int = 0
    problem: str = ""
    text: str = ""
    node: str = ""
    web: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def write(file: str, calls: Iterable[Call]) -> None:
    """A line for each."""
    lines = (json.dumps(dataclasses.asdict(call)) for call in calls)
    Path(file).write_text("".join(f"{line}\n" for line in lines))


def read(file: Path) -> list[Call]:
    """What `write` wrote."""
    return [Call(**json.loads(line)) for line in file.read_text().splitlines()]


def problem_of(status: int, body: bytes) -> tuple[str, str]:
    """What an answer that is no result says: the kind of problem, and the text."""
    text = body[:500].decode(errors="replace")
    try:
        error = json.loads(body)
        kind, message = str(error["exceptionType"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return f"{status} of the load balancer", text
    return f"{status} {kind}", message


@dataclass(frozen=True)
class Trouble:
    """What was done to the host `name` at this address, when, and when it was undone."""

    name: str = ""
    address: str = ""
    began_at: float = math.inf
    ended_at: float = math.inf
    is_web: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What callers saw. Seconds are None where nothing was seen.

    `n_in_flight` of the failures were under way on the lost host when it was lost, `n_sent_later`
    were given to it afterwards; `n_held_up` of all calls took too long. `stopped_after` is infinite
    where calls went to the host all the time.
    """

    n_calls: int
    n_failures: int
    n_in_flight: int
    n_sent_later: int
    n_wrong: int
    p99: float
    longest: float
    n_held_up: int
    stopped_after: float | None
    used_again_after: float | None
    problems: Counter[str] = field(default_factory=Counter)


_STILL_USED_SECONDS = 1.5  # so close to the end of the trouble a call means that it never stopped


def judge(calls: Sequence[Call], trouble: Trouble) -> Outcome:
    """What the calls say of the trouble."""
    began_at, ended_at = trouble.began_at, trouble.ended_at
    reached = [call for call in calls if _has_reached(call, trouble)]
    failures = [call for call in calls if call.problem]
    lost = [call for call in failures if _has_reached(call, trouble)]
    meanwhile = [call.begin for call in reached if began_at <= call.begin < ended_at]
    again = [call.begin for call in reached if call.begin >= ended_at and not call.problem]
    last = max((call.begin for call in calls), default=began_at)
    times = sorted(call.seconds for call in calls)
    return Outcome(
        n_calls=len(calls),
        n_failures=len(failures),
        n_in_flight=sum(call.begin < began_at for call in lost),
        n_sent_later=sum(call.begin >= began_at for call in lost),
        n_wrong=sum(call.problem == WRONG for call in calls),
        p99=times[int(0.99 * (len(times) - 1))] if times else 0.0,
        longest=times[-1] if times else 0.0,
        n_held_up=sum(seconds > HELD_UP_SECONDS for seconds in times),
        stopped_after=_stopped_after(meanwhile, began_at, min(ended_at, last)),
        used_again_after=min(again) - ended_at if again else None,
        problems=Counter(call.problem for call in failures),
    )


def _has_reached(call: Call, trouble: Trouble) -> bool:
    """Whether it was given to the host; of one that failed only the message says so."""
    if not trouble.name:
        return False
    if trouble.name in (call.node, call.web):
        return True
    if trouble.is_web:  # the load balancer had begun to hear an answer, or was to hear one
        return call.problem in ("502 of the load balancer", "connection broke")
    # "… 10.77.0.2" must not be found in "10.77.0.21". "Busy" means that nothing was run.
    named = re.search(rf"{re.escape(trouble.address)}(?!\d)", call.text) is not None
    return bool(call.problem) and named and not call.problem.startswith("503")


def _stopped_after(begins: Sequence[float], began_at: float, ended_at: float) -> float | None:
    if not ended_at - began_at > _STILL_USED_SECONDS:  # nothing was to stop
        return None
    last = max(begins, default=began_at)
    return math.inf if ended_at - last < _STILL_USED_SECONDS else last - began_at
