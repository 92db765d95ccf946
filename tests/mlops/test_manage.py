"""`manage.py` as a program."""

import subprocess
import sys

import pytest

from tests.nodes.runtime.running import ROOT

pytestmark = pytest.mark.any_database


def test_nothing_is_said_when_the_reader_of_what_is_printed_has_enough() -> None:
    """As in `manage.py audit list | head -1`."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "help", "--commands"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141
