"""What a shell finds around it: directories of its own, and an environment with little in it."""

import os
import shutil
import uuid
from pathlib import Path

# Those of the shell. The directory that holds them is the node's: none of them can be put aside
# for a link to elsewhere, which the node would follow.
OWN = ("work", "tmp", "home", "keep", "exchange", "packages", "environment")
STAGING = "staging"  # the node's, for files on their way to the shell or from it

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


def make_home(work_root: Path, uid: int | None = None) -> Path:
    """A new directory below `work_root` with the directories of a shell, the user's if given."""
    home = work_root / uuid.uuid4().hex
    home.mkdir(mode=0o711, parents=True)
    home.chmod(0o711)  # whatever the umask: the user must get through
    for name in (*OWN, STAGING):
        (home / name).mkdir(mode=0o700)
        if uid is not None and name != STAGING:
            os.chown(home / name, uid, uid)
    return home


def hand_over(path: Path, target: Path, uid: int | None) -> None:
    """Moves a file of the node to the shell's directory, as the shell's own."""
    if uid is not None:
        os.chown(path, uid, uid, follow_symlinks=False)
    path.replace(target)


def remove_home(home: Path) -> None:
    """Removes the directory of a shell, whatever its code put there."""
    shutil.rmtree(home, ignore_errors=True)


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
