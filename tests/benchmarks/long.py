"""The long run: many clients with rows of their own, every answer checked, memory watched."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks import usage
from tests.benchmarks.load import Load, Measurement
from tests.benchmarks.report import MIB, markdown
from tests.benchmarks.rounds import MARGIN_SECONDS, say
from tests.benchmarks.target import Running, Target
from tests.benchmarks.workload import Workload

CLIENTS = 64
PIECE_SECONDS = 20


@dataclass(frozen=True)
class Piece:
    """A part of the run, and what the server held in the midst of it."""

    load: Load
    memory_bytes: int
    open_files: int


def run(target: Target, server: Running, workload: Workload, n_answers: int) -> list[Piece]:
    """Pieces with `n_answers` right answers at least; an answer to another's row is an error.

    It ends early when a piece has no right answer at all.
    """
    call = server.call(target, workload, 1)
    pieces: list[Piece] = []
    while sum(piece.load.right for piece in pieces) < n_answers:
        measurement = Measurement(call, clients=CLIENTS, seconds=PIECE_SECONDS, is_exact=True)
        time.sleep(PIECE_SECONDS - MARGIN_SECONDS)
        memory, files = usage.held(server.server.pid)
        load = measurement.result()
        usage.settle(server.server.pid)
        pieces.append(Piece(load, memory, files))
        say(f"{target.name}: {load.right} right, {load.errors} wrong, {memory / MIB:.0f} MB")
        if not load.right:
            break
    return pieces


def table(runs: Sequence[tuple[Target, Sequence[Piece]]]) -> str:
    """One line for each target; figures of the first piece and the last one."""
    rows = [
        [
            target.name,
            f"{sum(piece.load.right for piece in pieces):,}",
            str(sum(piece.load.errors for piece in pieces)),
            *(
                f"{first:,.{digits}f} → {last:,.{digits}f}"
                for digits, (first, last) in (
                    (0, (pieces[0].load.rate, pieces[-1].load.rate)),
                    (2, (pieces[0].load.p99, pieces[-1].load.p99)),
                    (0, (pieces[0].memory_bytes / MIB, pieces[-1].memory_bytes / MIB)),
                    (0, (pieces[0].open_files, pieces[-1].open_files)),
                )
            ),
        ]
        for target, pieces in runs
    ]
    head = ["target", "right answers", "errors", "answers/s", "p99 ms", "memory MB", "open files"]
    return markdown(head, rows)
