"""Builds a cluster in namespaces of this machine, makes parts of it fail, and writes a table.

    python -m tests.cluster [--only "kill mute"] [--rate 250] [--output FILE] [--keep DIRECTORY]

As root. `--only` takes names of scenarios. `--output` puts the table between the marks of a
document that has them. `--keep` copies the calls and the logs of all programs into a directory.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.__main__ import MEASURED, inserted
from tests.cluster import apart, report
from tests.cluster.calls import Outcome, judge, write
from tests.cluster.cluster import Cluster
from tests.cluster.programs import ROOT
from tests.cluster.scenarios import SCENARIOS, Scenario

_BEFORE_SECONDS = 4.0  # of load, before anything happens


def main() -> int:
    """The exit status: 1 when it cannot run here, or a wrong answer was seen."""
    asked = _arguments()
    if not apart.is_inside():
        if problems := apart.missing():
            sys.stderr.write("\n".join([*problems, ""]))
            return 1
        apart.go_inside("tests.cluster", sys.argv[1:])
    apart.prepare()
    names = asked.only.split()
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    found: list[tuple[Scenario, Outcome | str]] = []
    try:
        _say("Starting the cluster")
        cluster = Cluster(asked.rate)
        cluster.start()
        cluster.wait_for_nodes()
        for scenario in chosen:
            outcome = _run(cluster, scenario, asked.keep)
            found.append((scenario, outcome))
            _say(report.table([(scenario, outcome)]))
    finally:
        if asked.keep:
            _keep(asked.keep)
    text = f"{_where(asked.rate)}\n\n{report.table(found)}\n"
    _say(f"\n{text}")
    if asked.output:
        _put(asked.output, text)
    return int(any(isinstance(one, Outcome) and one.n_wrong for _, one in found))


def _run(cluster: Cluster, scenario: Scenario, keep: Path | None) -> Outcome | str:
    _say(f"{scenario.name}: {scenario.title}")
    cluster.wait_for_nodes()
    with cluster.load() as calls:
        time.sleep(_BEFORE_SECONDS)
        trouble = scenario.act(cluster)
        if isinstance(trouble, str):
            return trouble
        time.sleep(scenario.recovery)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        write(str(keep / f"{scenario.name}.calls"), calls)
        (keep / f"{scenario.name}.trouble").write_text(f"{trouble}\n")
    return judge(calls, trouble)


def _put(file: Path, text: str) -> None:
    """Between the marks of a document that is there, or as a file of its own."""
    document = file.read_text() if file.exists() else ""
    file.write_text(inserted(document, text.strip(), MEASURED) if MEASURED in document else text)


def _keep(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in apart.PLACE.glob("*.log"):
        shutil.copy(log, folder)
    for log in apart.PLACE.glob("*/log"):
        shutil.copy(log, folder / f"{log.parent.name}.log")


def _where(rate: float) -> str:
    commit = machine.commit(ROOT)
    return (
        f"{date.today():%Y-%m-%d}, commit {commit}, {machine.description()}. "
        f"{rate:g} calls a second."
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = " ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("--only", default="", help=f"some of: {names}")
    parser.add_argument("--rate", type=float, default=250, help="calls a second")
    parser.add_argument("--output", type=Path, help="where the table is written")
    parser.add_argument("--keep", type=Path, help="where calls and logs are kept")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
