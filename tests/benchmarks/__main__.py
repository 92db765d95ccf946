"""Measures and writes `docs/benchmarks.md`; started by `make bench`.

    python -m tests.benchmarks [--only "two-hop realtime plumber"] [--rounds 3] [--seconds 2]

`--only` takes beginnings of targets' names; what it leaves out is neither installed nor started,
and the result goes to var/benchmarks instead of docs. `--answers 1000000` is the long run: 64
clients until each target has given so many answers; its table in docs is written for any targets.
`--further` measures a crowded box, cold versions and batches instead, for docs as well.
"""

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.benchmarks import further, goals, long, machine, plot, report, rounds, workload
from tests.benchmarks.limit import TwoHops
from tests.benchmarks.ours import OneBox
from tests.benchmarks.peers import PEERS
from tests.benchmarks.rounds import Size
from tests.benchmarks.target import Provider, Running, Target

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS: list[Provider] = [TwoHops(), OneBox(), *PEERS]
DOCUMENT = ROOT / "docs/benchmarks.md"
PICTURE = "benchmarks.png"
MEASURED, LONG_RUN, END = "<!-- measured -->", "<!-- long run -->", "<!-- end -->"
FURTHER = "<!-- further -->"
CLIENTS_OF_ROWS = {1: (1, 8, 32, 64), 100: (1, 32), 10_000: (1, 8)}
SIZES = [Size(n_rows, count) for n_rows, counts in CLIENTS_OF_ROWS.items() for count in counts]


def main() -> int:
    """The exit status: 1 when a name of --only fits nothing or nothing could be measured."""
    asked = _arguments()
    every = [target for provider in PROVIDERS for target in provider.targets]
    names = asked.only.split()
    for name in names:
        if not any(target.name.startswith(name) for target in every):
            known = " ".join(target.name for target in every)
            sys.stderr.write(f"There is no target {name}. There are: {known}\n")
            return 1
    chosen = [t for t in every if not names or any(t.name.startswith(name) for name in names)]
    is_apart = asked.answers or asked.further
    folder = ROOT / "var/benchmarks" if names and not is_apart else DOCUMENT.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as place:
        directory = Path(place)
        rounds.say("Training the models")
        models = directory / "models"
        models.mkdir()
        work = workload.prepare(models)
        if asked.further:
            text = f"{_where()}\n\n{further.table(directory, work)}"
            return _write(folder, text, FURTHER)
        with rounds.started(PROVIDERS, chosen, directory, work) as running:
            targets = rounds.working(chosen, running, work)
            if not targets:
                return 1
            if asked.answers:
                text, marks = _long_run(asked, targets, running, work), LONG_RUN
            else:
                text, marks = _rounds(asked, targets, running, work, folder), MEASURED
    return _write(folder, text, marks)


def _write(folder: Path, text: str, marks: str) -> int:
    document = folder / DOCUMENT.name
    if document == DOCUMENT:
        document.write_text(inserted(DOCUMENT.read_text(), text, marks))
    else:
        document.write_text(f"{text}\n")
    rounds.say(f"\n{text}\n\nWritten to {document.relative_to(ROOT)}")
    return 0


def _rounds(
    asked: argparse.Namespace,
    targets: list[Target],
    running: dict[str, Running],
    work: workload.Workload,
    folder: Path,
) -> str:
    """The figures of all targets, and a picture of them in `folder`."""
    sizes = [s for s in SIZES if s.rows in asked.rows and s.clients in asked.clients]
    results = rounds.run(
        targets, running, work, sizes=sizes, rounds=asked.rounds, seconds=asked.seconds
    )
    where = _where()  # before the picture changes the working tree
    plot.draw(targets, results, folder / PICTURE)
    parts = [
        f"{where}\n{asked.rounds} rounds of {asked.seconds} seconds for each figure; medians. "
        f"{report.disturbance(rounds.other_cores(results))}",
        f"![Rates and latencies]({PICTURE})",
        goals.table(goals.Run(targets, results)),
        report.tables(targets, results),
        *(server.note for server in running.values()),
    ]
    return "\n\n".join(part for part in parts if part)


def _long_run(
    asked: argparse.Namespace,
    targets: list[Target],
    running: dict[str, Running],
    work: workload.Workload,
) -> str:
    runs = [
        (target, long.run(target, running[target.server], work, asked.answers))
        for target in targets
    ]
    return f"{_where()}\n\n{long.table(runs)}"


def _where() -> str:
    commit = machine.commit(ROOT)
    return f"{date.today():%Y-%m-%d}, commit {commit}, {machine.description()}."


def inserted(document: str, text: str, mark: str) -> str:
    """The document with `text` between the mark and the next end."""
    before, _, rest = document.partition(mark)
    _, _, after = rest.partition(END)
    return f"{before}{mark}\n\n{text}\n\n{END}{after}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="beginnings of names of targets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    clients, rows = sorted({size.clients for size in SIZES}), list(CLIENTS_OF_ROWS)
    parser.add_argument("--clients", type=int, nargs="+", default=clients, choices=clients)
    parser.add_argument("--rows", type=int, nargs="+", default=rows, choices=rows)
    parser.add_argument(
        "--answers", type=int, default=0, help="a long run instead: so many of each target"
    )
    parser.add_argument(
        "--further", action="store_true", help="a crowded box, cold versions and batches instead"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
