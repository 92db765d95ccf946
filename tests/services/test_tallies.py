"""Counting over several processes, which come and go."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodes.runtime.figures import SECONDS
from services import tallies
from services.tallies import Tallies
from tests.nodes.runtime.running import ROOT

# Ends without having been asked for totals; its child must not add again what it had counted.
PROCESS = """
import os, sys
from pathlib import Path
from services.tallies import Tallies
tallies = Tallies(Path(sys.argv[1]))
tallies.count_timed(("calls", "a"), ("times", "a"), 0.3)
if os.fork() == 0:
    tallies.count(("calls", "b"))
    tallies.totals()
    os._exit(0)
os.wait()
"""


def run_process(directory: Path) -> None:
    subprocess.run([sys.executable, "-c", PROCESS, str(directory)], cwd=ROOT, check=True)


def test_what_processes_counted_adds_up_when_they_have_ended(tmp_path: Path) -> None:
    here = Tallies(tmp_path / "metrics")
    here.count(("calls", "a"))
    run_process(tmp_path / "metrics")
    run_process(tmp_path / "metrics")
    totals = here.totals()
    assert totals["calls", "a"] == [3]
    assert totals["calls", "b"] == [2]
    times = totals["times", "a"]
    assert sum(times[:-1]) == 2
    assert times[-1] == 0.6
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == ["lock", "totals.json"]


def test_threads_lose_nothing(tmp_path: Path) -> None:
    counting = Tallies(tmp_path)

    def work(_: int) -> None:
        for number in range(1000):
            counting.count(("calls",))
            if number % 100 == 0:
                counting.totals()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert counting.totals() == {("calls",): [4000]}


def test_a_time_beyond_all_bounds_is_counted(tmp_path: Path) -> None:
    counting = Tallies(tmp_path)
    counting.count_timed(("calls",), ("times",), SECONDS[-1] + 1)
    assert counting.totals()["times",][-2:] == [1, SECONDS[-1] + 1]


def test_what_cannot_be_stored_is_kept_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "metrics"
    in_the_way.touch()
    counting = Tallies(in_the_way)
    counting.count(("calls",))
    counting.totals()
    assert "cannot be stored" in caplog.text
    in_the_way.unlink()
    counting.count(("calls",))
    assert counting.totals() == {("calls",): [2]}
    assert Tallies(in_the_way).totals() == {("calls",): [2]}


@pytest.mark.parametrize("content", [b"", b'[["calls"', b"17", b"[[1, 2, 3]]"])
def test_after_a_broken_file_counting_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "totals.json").write_bytes(content)
    counting = Tallies(tmp_path)
    counting.count(("calls",))
    assert counting.totals() == {("calls",): [1]}


def test_what_is_forgotten_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    counting = Tallies(tmp_path)
    for name in ("a", "b"):
        counting.count(("calls", name))
    counting.totals()
    counting.forget({("calls", "a")})
    assert counting.totals() == {("calls", "b"): [1]}


def test_of_too_many_keys_those_unchanged_for_longest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "_MOST_KEYS", 2)
    counting = Tallies(tmp_path)
    for name in ("a", "b", "a", "c"):
        counting.count((name,))
        counting.totals()
    assert counting.totals() == {("a",): [2], ("c",): [1]}
