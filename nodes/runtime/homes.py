"""What a shell finds around it: directories of its own, and an environment with little in it."""

import os
import uuid
from pathlib import Path

_ONE_THREAD = dict.fromkeys(
    [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ],
    "1",
)


def make_home(work_root: Path) -> Path:
    """A new directory below `work_root` with `work`, `tmp` and `home` in it."""
    home = work_root / uuid.uuid4().hex
    for name in ("work", "tmp", "home"):
        (home / name).mkdir(mode=0o700, parents=True)
    return home


def environment(home: Path) -> dict[str, str]:
    """All that a shell in `home` knows of the node's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    language = os.environ.get("LANG", "")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": language if "utf" in language.lower() else "C.UTF-8",
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "MPLBACKEND": "Agg",
        **_ONE_THREAD,
        **kept,
    }
