"""The project's settings with a data directory that ends with the test run."""

import atexit
import os
import shutil
import tempfile

if "MLOPS_DATA_DIR" not in os.environ:
    _data_dir = tempfile.mkdtemp(prefix="mlops-tests-")
    os.environ["MLOPS_DATA_DIR"] = _data_dir
    atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

from mlops.settings import *  # noqa: F403 - reads the environment as it is now
