"""Measures the pages of the console on a large installation, and writes `docs/benchmarks.md`.

    python -m tests.benchmarks.console [--database postgresql] [--scale 0.01] [--keep DIRECTORY]

Fills a database of its own, asks every page of the console as an Owner, five times each, and
notes the server's time and the number of queries. `--scale` makes a smaller installation, of which
nothing is written to docs. With `--keep` the database stays in that directory and is used again.
`--only` takes a part of addresses; nothing is written then either.
"""

import argparse
import os
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.__main__ import DOCUMENT, ROOT, inserted
from tests.benchmarks.rounds import say
from tests.postgresql import Cluster

MARK = "<!-- console {database} -->"


def main() -> int:
    """The exit status."""
    asked = _arguments()
    directory = Path(asked.keep or tempfile.mkdtemp(prefix="console-")).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    cluster = None
    os.environ["DJANGO_SETTINGS_MODULE"] = "mlops.settings"
    os.environ["MLOPS_DATA_DIR"] = str(directory)
    os.environ["MLOPS_LOG_LEVEL"] = "ERROR"
    os.environ.pop("MLOPS_DATABASE_URL", None)
    try:
        if asked.database == "postgresql":
            cluster = Cluster().start()
            os.environ["MLOPS_DATABASE_URL"] = cluster.create_database()
        text = _measured(asked)
    finally:
        if cluster is not None:
            cluster.remove()
        if not asked.keep:
            shutil.rmtree(directory, ignore_errors=True)
    say(text)
    if asked.scale == 1 and not asked.only:
        mark = MARK.format(database=asked.database)
        DOCUMENT.write_text(inserted(DOCUMENT.read_text(), text, mark))
        say(f"Written to {DOCUMENT.relative_to(ROOT)}")
    return 0


def _measured(asked: argparse.Namespace) -> str:
    """The table; Django's settings are read here, as the environment is now."""
    import django

    django.setup()
    from tests.benchmarks.console import measuring, seeding

    counts = seeding.seeded(asked.scale)
    pages = measuring.measured(only=asked.only)
    where = f"{date.today():%Y-%m-%d}, commit {machine.commit(ROOT)}, {machine.description()}"
    return measuring.report(where, asked.database, counts, pages)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.console",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--keep", metavar="DIRECTORY", default="")
    parser.add_argument("--only", default="", help="a part of the addresses")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
