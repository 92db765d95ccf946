"""Benchmarks: this product beside its limits and its peers (`make bench`).

`__main__` reads the command line, `targets` says what is called, `rounds` calls it in turns,
`report` and `plot` write `docs/benchmarks.md`. Nothing here runs in the test suite but the few
tests of the harness itself.
"""

import sys
from pathlib import Path

# Where the package is that converts models; pytest has it from pyproject.toml.
sys.path.append(str(Path(__file__).parents[2] / "clients/python"))
