"""Runs a real supervisor over toy programs, in a process of its own: it reaps all its orphans.

    run_supervisor.py FOLDER NAME=MANNER …

Each toy writes its pid to FOLDER/NAME.pid, and touches FOLDER/NAME.alive again and again as a sign
of life. FOLDER/ended gets the names of those that SIGTERM ended, in that order.
"""

import asyncio
import os
import sys
from pathlib import Path

from mlops.onebox.logs import RotatingLog
from mlops.onebox.probes import touches
from mlops.onebox.supervisor import Patience, Program, StartError, Supervisor

TOY = """
import os, pathlib, signal, subprocess, sys, time
folder, name, manner = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def end(*_):
    if manner != "stubborn":
        with (folder / "ended").open("a") as file:
            file.write(name + "\\n")
        sys.exit()

signal.signal(signal.SIGTERM, end)
if manner == "broken":
    sys.exit("the toy is broken")
if manner == "parent":
    orphan = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    with (folder / "orphan.pid").open("w") as file:
        subprocess.run([sys.executable, "-c", middle], stdout=file)
draft = folder / f"{name}.draft"
draft.write_text(str(os.getpid()))
draft.rename(folder / f"{name}.pid")
while True:
    (folder / f"{name}.alive").touch()
    time.sleep(0.05)
"""

PATIENCE = Patience(start=30, probe_every=0.05, silence=1, stop=0.5, restart=0.05, calm=60)


def program(folder: Path, name: str, manner: str) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-c", TOY, str(folder), name, manner],
        probe=touches([folder / f"{name}.alive"], within_seconds=0.5),
        log=RotatingLog(folder / f"{name}.log"),
        stops_last=manner == "last",
    )


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - read by the test


async def when_up(_: Supervisor) -> None:
    say("up")


def main() -> None:
    folder = Path(sys.argv[1])
    programs = [program(folder, *argument.split("=")) for argument in sys.argv[2:]]
    supervisor = Supervisor(programs, environment=os.environ, say=say, patience=PATIENCE)
    try:
        asyncio.run(supervisor.run(when_up))
    except StartError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
