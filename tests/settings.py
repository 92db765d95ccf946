"""The project's settings with a data directory and a database that end with the test run."""

import atexit
import os
import shutil
import tempfile

from tests.database_option import URL, own_database

# The test run, or one of its workers (pytest-xdist); everything else that reads this was started
# by a test, which has said what to use. Not called MLOPS_…: boxes are started without those.
_PROCESS = "TEST_PROCESS"
_process = os.environ.get("PYTEST_XDIST_WORKER", "main")
_is_test_process = os.environ.get(_PROCESS) != _process

if _is_test_process:
    os.environ[_PROCESS] = _process
    os.environ["MLOPS_DATA_DIR"] = tempfile.mkdtemp(prefix="mlops-tests-")
    atexit.register(shutil.rmtree, os.environ["MLOPS_DATA_DIR"], ignore_errors=True)
    os.environ.pop(URL, None)
    os.environ.update(own_database())

from mlops.settings import *  # noqa: E402, F403 - reads the environment as it is now

if _is_test_process:
    # What tests start has a database of its own, see `own_database`.
    os.environ.pop(URL, None)
