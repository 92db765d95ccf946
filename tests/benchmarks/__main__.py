"""Measures and writes `docs/benchmarks.md`; started by `make bench`.

    python -m tests.benchmarks [--only "two-hop realtime plumber"] [--rounds 3] [--seconds 3]

`--only` takes beginnings of targets' names; what it leaves out is neither installed nor started,
and the result goes to var/benchmarks instead of docs.
"""

import argparse
import itertools
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.benchmarks import goals, machine, plot, report, rounds, workload
from tests.benchmarks.limit import TwoHops
from tests.benchmarks.ours import OneBox
from tests.benchmarks.peers import PEERS
from tests.benchmarks.rounds import Size
from tests.benchmarks.target import Provider

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS: list[Provider] = [TwoHops(), OneBox(), *PEERS]
DOCUMENT = ROOT / "docs/benchmarks.md"
PICTURE = "benchmarks.png"
BEGIN, END = "<!-- measured -->", "<!-- end -->"
CLIENTS, ROWS = [1, 8, 32, 64], [1, 100, 10_000]


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
    sizes = [
        Size(n_rows, clients) for n_rows, clients in itertools.product(asked.rows, asked.clients)
    ]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as place:
        directory = Path(place)
        rounds.say("Training the models")
        models = directory / "models"
        models.mkdir()
        work = workload.prepare(models)
        with rounds.started(PROVIDERS, chosen, directory, work) as running:
            targets = rounds.working(chosen, running, work)
            if not targets:
                return 1
            results = rounds.run(
                targets, running, work, sizes=sizes, rounds=asked.rounds, seconds=asked.seconds
            )
    run = goals.Run(targets, results)
    how = (
        f"{date.today():%Y-%m-%d}, commit {machine.commit(ROOT)}, {machine.description()}.\n"
        f"{asked.rounds} rounds of {asked.seconds} seconds for each figure; medians."
    )
    parts = [
        how,
        f"![Rates and latencies]({PICTURE})",
        goals.table(run),
        report.tables(targets, results),
    ]
    text = "\n\n".join(part for part in parts if part)
    folder = ROOT / "var/benchmarks" if names else DOCUMENT.parent
    folder.mkdir(parents=True, exist_ok=True)
    plot.draw(targets, results, folder / PICTURE)
    document = folder / DOCUMENT.name
    document.write_text(
        inserted(DOCUMENT.read_text(), text) if document == DOCUMENT else f"{text}\n"
    )
    rounds.say(f"\n{text}\n\nWritten to {document.relative_to(ROOT)}")
    return 0


def inserted(document: str, text: str) -> str:
    """The document with `text` between its two marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="beginnings of names of targets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, choices=ROWS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
