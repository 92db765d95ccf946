import subprocess
import sys

import pytest

from tests.nodes.runtime.running import ROOT


@pytest.mark.parametrize("command", ["publish", "score", "services"])
def test_the_command_starts_in_a_process_of_its_own(command: str) -> None:
    """Nothing has been imported before it there, unlike in this process."""
    finished = subprocess.run(
        [sys.executable, "manage.py", command, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert "Exit codes:" in finished.stdout
