"""A target: one model behind one address of a server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tests.benchmarks.load import ECHO, Call
from tests.benchmarks.servers import Server
from tests.benchmarks.workload import Rows, Workload, columns, compact

JSON = {"Content-Type": "application/json"}


class Kind(StrEnum):
    """Whose it is."""

    LIMIT = "limit"
    OURS = "ours"
    PEER = "peer"


def column_body(rows: Rows) -> str:
    """`{"inputData": {"crim": [...], ...}}`."""
    return compact({"inputData": columns(rows)})


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is called and how; `server` names the one that has it."""

    name: str
    kind: Kind
    server: str
    model: str  # ECHO, or one of the workload's
    path: str
    pattern: str
    write: Callable[[Rows], str] = column_body
    tolerance: float = 1e-6
    language: str = "Python"  # what the model was fitted in; only like is compared with like


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers, and how to reach it."""

    server: Server
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""  # for the report

    def call(self, target: Target, workload: Workload, n_rows: int) -> Call:
        """How `target` is called with `n_rows` rows."""
        is_echo = target.model == ECHO
        return Call(
            url=self.url + target.path,
            headers={**JSON, **self.headers},
            bodies=workload.bodies(n_rows, target.write.__name__, target.write),
            expected=ECHO if is_echo else workload.expected(n_rows, target.model),
            pattern=target.pattern,
            tolerance=target.tolerance,
        )


class Provider(Protocol):
    """Something that can be started, and what is measured there."""

    @property
    def name(self) -> str: ...

    @property
    def targets(self) -> Sequence[Target]: ...

    def start(self, directory: Path, workload: Workload, chosen: Sequence[Target]) -> Running:
        """It, answering, with what `chosen` needs; StartError otherwise. Owns `directory`."""
